"""`dvc repro` by hand and the Airflow run of the same inputs agree to the byte, from two empty caches."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.settings import Settings
from pipelines.workspace import open_workspace, stage_environment
from tests.e2e.running_shop import TRAIN, RunningShop
from tests.workspace.test_snapshot import git

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


@dataclass
class Laptop:
    """A checkout with the inputs of a run, and DVC as a person calls it there."""

    path: Path
    environment: dict[str, str]

    def dvc(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def locked(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.path / "dvc.lock").read_text())["stages"])


@pytest.fixture(scope="module")
def theirs(shop: RunningShop) -> Path:
    """The workspace of the shop's first training, which computed everything: the cache was empty then."""
    runs = [run["dag_run_id"] for run in shop.airflow.runs(TRAIN)]
    return shop.workspace([run for run in runs if (shop.workspace(run) / "dvc.lock").is_file()][-1])


@pytest.fixture(scope="module")
def laptop(shop: RunningShop, theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """The same inputs, without Airflow and with a cache of its own."""
    home = tmp_path_factory.mktemp("laptop")
    path = open_workspace(Settings(checkout=shop.settings.checkout, home=home), "by-hand").path
    shutil.copytree(theirs / "data/inputs", path / "data/inputs")
    environment = stage_environment(Settings(checkout=path, home=home), path)
    for name in ("TF_DETERMINISTIC_OPS", "PYTHONHASHSEED", "TF_CPP_MIN_LOG_LEVEL"):
        environment.pop(name)  # a person's shell sets none of them
    return Laptop(path, environment)


def test_dvc_repro__gives_the_hashes_of_the_airflow_run(laptop: Laptop, theirs: Path) -> None:
    said = laptop.dvc("repro")

    assert "Running stage 'train_sequence'" in said
    mine, airflows = laptop.locked(), Laptop(theirs, {}).locked()
    assert list(mine) == list(airflows)
    for stage in mine:
        assert mine[stage] == airflows[stage], stage


def test_dvc_experiments__change_a_parameter_and_show_what_came_of_it(laptop: Laptop) -> None:
    config = laptop.path / ".dvc/config.local"
    config.write_text(config.read_text().replace("    no_scm = true\n", ""))
    git(laptop.path, "init", "-q")
    git(laptop.path, "add", "-A")
    git(laptop.path, "commit", "-qm", "What was reproduced")
    before = laptop.locked()

    said = laptop.dvc("exp", "run", "-S", "evaluate_candidate.bootstrap_samples=300")

    assert "Running stage 'evaluate_candidate'" in said
    assert "Running stage 'train_sequence'" not in said
    assert laptop.locked()["train_sequence"] == before["train_sequence"]
    differing = json.loads(laptop.dvc("metrics", "diff", "--json"))["reports/metrics.json"]
    assert "candidate.ndcg_at_10_low" in differing
    assert "candidate.ndcg_at_10" not in differing
    plots = json.loads(laptop.dvc("plots", "diff", "--json"))["data"]
    assert any("Loss per epoch" in name for name in plots)
    assert "reports/plots/systems.csv" in plots
