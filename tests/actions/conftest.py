"""A workspace of a run that made the tiny bundle, and its Bento."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.run_facts import RunFacts
from pipelines.settings import Settings
from tests.serving.tiny_bundle import write_tiny_bundle

CHECKOUT = Path(__file__).resolve().parents[2]
# A policy that a busy machine holds: what is tested is the decision, not this machine.
POLICY = {
    "p99_ms_limit": 1000,
    "memory_mib_limit": 2000,
    "memory_growth_kib_limit": 48,
    "ready_seconds_limit": 60,
    "known_queries_min": 2,
    "timed_requests": 100,
    "release_dirty": True,
}


def make_workspace(folder: Path) -> Path:
    """Code by links, the bundle, the run's facts and the policy."""
    (folder / "models").mkdir(parents=True)
    for name in ("serving", "pipelines", "requirements"):
        (folder / name).symlink_to(CHECKOUT / name)
    write_tiny_bundle(folder / "models" / "candidate")
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text())
    policy = params["decide_package"] | POLICY
    (folder / "params.yaml").write_text(yaml.safe_dump(params | {"decide_package": policy}))
    RunFacts(
        run_id="manual__1", week=44, tree_id="a" * 40, dirty=True, changed=("x",), fingerprint="b" * 64,
        data_sha256="c" * 64, params_sha256="d" * 64, lock_sha256="e" * 64, overrides={}, promote=True,
        require_approval=False, reason="", champion_release_id=None,
    ).write(folder)  # fmt: skip
    return folder


def act(settings: Settings, name: str, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Run an action as Airflow's task does: BentoML takes one store in a process."""
    command = [sys.executable, "-m", "pipelines.cli", "action", name, "--workspace", str(workspace)]
    environment = dict(os.environ) | {"SHOPLOOP_HOME": str(settings.home)}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with an empty home."""
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def built(here: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose Bento is built; not to be changed."""
    workspace = make_workspace(tmp_path_factory.mktemp("run") / "workspace")
    done = act(here, "build_bento", workspace)
    assert done.returncode == 0, done.stderr
    return workspace
