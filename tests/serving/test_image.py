"""The container image of a Bento: built, started, asked, looked into.

Runs where SHOPLOOP_TEST_IMAGE=1 says that buildah and an image ``python:<version>-slim`` are there, as in

    SHOPLOOP_TEST_IMAGE=1 STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot pytest tests/serving/test_image.py

SHOPLOOP_TEST_BUNDLE names a bundle of a run to build it of; a tiny one is made otherwise.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.releases.rehearsal import BentoOnTrial, free_ports, set_clock
from pipelines.smoke import FIRST, READING, WRITING, Finding, smoke
from tests.serving.plane_under_test import ADMIN_TOKEN, CHECKOUT, Plane
from tests.serving.tiny_bundle import NOW, write_tiny_bundle

pytestmark = pytest.mark.skipif(
    not (os.environ.get("SHOPLOOP_TEST_IMAGE") and shutil.which("buildah")),
    reason="SHOPLOOP_TEST_IMAGE is not set, or there is no buildah",
)
IMAGE = "localhost/shoploop-image-test:1"
BUILD = """
import sys
from pathlib import Path
from pipelines.releases.bento_build import build
print(build(Path.cwd(), Path(sys.argv[1]), 44, {}, Path(sys.argv[2]))[1])
"""
HEAVY = ["tensorflow", "keras", "airflow", "dvc", "mlflow"]
LOOK = f"import importlib.util as u; print([name for name in {HEAVY} if u.find_spec(name)])"


def run(*command: str, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr[-3000:]
    return str(done.stdout)


@dataclass(frozen=True)
class Built:
    """A Bento in a store of its own."""

    tag: str
    home: Path


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The Bento that the image is built of."""
    folder = tmp_path_factory.mktemp("image")
    bundle = Path(os.environ.get("SHOPLOOP_TEST_BUNDLE") or folder / "bundle")
    if not bundle.exists():
        write_tiny_bundle(bundle)
    tag = run(sys.executable, "-c", BUILD, str(bundle), str(folder / "bentoml")).strip().splitlines()[-1]
    return Built(tag, folder / "bentoml")


@pytest.fixture(scope="module")
def container(bento: Built) -> Iterator[str]:
    """A container of the image, not started."""
    environment = dict(os.environ) | {"BENTOML_HOME": str(bento.home), "BENTOML_DO_NOT_TRACK": "True"}
    command = (
        sys.executable,
        "-m",
        "bentoml",
        "containerize",
        bento.tag,
        "--backend",
        "buildah",
        "-t",
        IMAGE,
    )
    run(*command, env=environment)
    name = run("buildah", "from", "--pull-never", IMAGE).strip()
    yield name
    run("buildah", "rm", name)
    run("buildah", "rmi", IMAGE)


def test_image__exposes_the_data_plane(container: str) -> None:
    shown = run(
        "buildah", "inspect", "--format", "{{.OCIv1.Config.ExposedPorts}} {{.OCIv1.Config.Env}}", container
    )
    assert "3000/tcp" in shown
    assert "SHOPLOOP_DATA_PORT=3000" in shown
    assert "BENTOML_PORT=3001" in shown


def test_image__holds_no_training_library(container: str) -> None:
    assert run("buildah", "run", container, "--", "/app/.venv/bin/python", "-c", LOOK).strip() == "[]"


def test_bento__passes_the_smoke_test_as_a_process(bento: Built, tmp_path: Path) -> None:
    name, version = bento.tag.split(":")
    trial = BentoOnTrial(bento.home / "bentos" / name / version, tmp_path, bento.home)
    try:
        set_clock(tmp_path, NOW)
        trial.wait_ready(90)
        assert _faults(trial.port, trial.admin_token) == []
    finally:
        assert trial.stop() == 0


def test_image__passes_the_same_smoke_test(container: str, tmp_path: Path) -> None:
    # chroot isolation shares the host's network: 3000 as shipped when it is free, else another.
    busy = Plane(None, tmp_path, 3000)  # type: ignore[arg-type]
    ports = [] if _refuses(busy) else [f"SHOPLOOP_DATA_PORT={free_ports(1)[0]}"]
    settings = [
        f"BENTOML_PORT={free_ports(1)[0]}",
        "SHOPLOOP_OPEN_SCOPES=read,events",
        f"SHOPLOOP_ADMIN_TOKEN={ADMIN_TOKEN}",
        *ports,
    ]
    command = [
        "buildah",
        "run",
        *(word for setting in settings for word in ("--env", setting)),
        container,
        "--",
    ]
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [*command, "/home/bentoml/bento/env/docker/entrypoint.sh"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    plane = Plane(process, tmp_path, int(ports[0].split("=")[1]) if ports else 3000)
    try:
        plane.wait(seconds=90)
        assert _faults(plane.port, ADMIN_TOKEN) == []
    finally:
        # buildah kills what it runs; an engine sends SIGTERM to the first process, as is done here.
        for member in psutil.Process(process.pid).children(recursive=True):
            if member.environ().get("BENTOML_CONTAINERIZED"):
                member.send_signal(signal.SIGTERM)
                break
        process.wait(60)
    assert _refuses(plane)


def _faults(port: int, key: str) -> list[Finding]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
        found = smoke(http, key, writes=True)
    assert len(found) == len([*FIRST, *WRITING, *READING]), found
    return [one for one in found if one.fault]


def _refuses(plane: Plane) -> bool:
    try:
        plane.ask("GET", "/healthz")
    except ConnectionRefusedError:
        return True
    return False
