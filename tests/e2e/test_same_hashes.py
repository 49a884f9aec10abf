"""`dvc repro` by hand and the Airflow run of the same inputs agree to the byte, from two empty caches."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.settings import Settings
from pipelines.workspace import open_workspace, stage_environment
from tests.e2e.running_shop import TRAIN, RunningShop

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]


def test_dvc_repro__gives_the_hashes_of_the_airflow_run(shop: RunningShop, tmp_path: Path) -> None:
    # The shop's cache was empty when its first training ran, so that one computed everything.
    runs = [run["dag_run_id"] for run in shop.airflow.runs(TRAIN)]
    trained = [run for run in runs if (shop.workspace(run) / "dvc.lock").is_file()][-1]
    theirs = shop.workspace(trained)
    by_hand = open_workspace(
        Settings(checkout=shop.settings.checkout, home=tmp_path / "home"), "by-hand"
    ).path
    shutil.copytree(theirs / "data/inputs", by_hand / "data/inputs")
    environment = stage_environment(Settings(checkout=by_hand, home=tmp_path / "home"), by_hand)
    for name in ("TF_DETERMINISTIC_OPS", "PYTHONHASHSEED", "TF_CPP_MIN_LOG_LEVEL"):
        environment.pop(name)  # a person's shell sets none of them

    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=by_hand,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Running stage 'train_sequence'" in done.stdout
    mine, airflows = (yaml.safe_load((path / "dvc.lock").read_text())["stages"] for path in (by_hand, theirs))
    assert list(mine) == list(airflows)
    for stage in mine:
        assert mine[stage] == airflows[stage], stage
