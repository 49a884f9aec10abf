"""The container image of a Bento: built, started, asked, looked into.

Runs where SHOPLOOP_TEST_IMAGE=1 says that buildah and an image ``python:<version>-slim`` are there, as in

    SHOPLOOP_TEST_IMAGE=1 STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot pytest tests/serving/test_image.py
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipelines.releases.rehearsal import free_ports
from tests.serving.plane_under_test import CHECKOUT, Plane
from tests.serving.tiny_bundle import write_tiny_bundle

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


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A container of the image, not started."""
    folder = tmp_path_factory.mktemp("image")
    write_tiny_bundle(folder / "bundle")
    tag = run(sys.executable, "-c", BUILD, str(folder / "bundle"), str(folder / "bentoml")).strip()
    environment = dict(os.environ) | {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    command = (sys.executable, "-m", "bentoml", "containerize", tag, "--backend", "buildah", "-t", IMAGE)
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


def test_image__serves_recommendations(container: str, tmp_path: Path) -> None:
    # chroot isolation shares the host's network: 3000 as shipped when it is free, else another.
    busy = Plane(None, tmp_path, 3000)  # type: ignore[arg-type]
    ports = [] if _refuses(busy) else [f"SHOPLOOP_DATA_PORT={free_ports(1)[0]}"]
    settings = [f"BENTOML_PORT={free_ports(1)[0]}", "SHOPLOOP_OPEN_SCOPES=read,events", *ports]
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
        answer = plane.recommend("nobody", k=2)
        assert [item["title"] for item in answer["items"]] == ["Milk", "Bread"]
    finally:
        # buildah kills what it runs; an engine sends SIGTERM to the first process, as is done here.
        for member in psutil.Process(process.pid).children(recursive=True):
            if member.environ().get("BENTOML_CONTAINERIZED"):
                member.send_signal(signal.SIGTERM)
                break
        process.wait(60)
    assert _refuses(plane)


def _refuses(plane: Plane) -> bool:
    try:
        plane.ask("GET", "/healthz")
    except ConnectionRefusedError:
        return True
    return False
