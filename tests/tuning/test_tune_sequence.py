"""The action from a workspace to its advice and MLflow, with real fits of a small shop."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from mlflow import MlflowClient

from pipelines.actions.tune_sequence import tune_sequence
from pipelines.contracts import PLACEMENTS
from pipelines.contracts.arrow import schema
from pipelines.params import ParamsError
from pipelines.registry import Registry
from pipelines.run_facts import read_result
from pipelines.tables import write_table
from tests.retrieval.small_shop import habits

CHECKOUT = Path(__file__).parents[2]
DAY_US = 86_400_000_000
MOMENT_US = 1_700_000_000_000_000


def make_workspace(folder: Path) -> Path:
    """What ``build_features`` of a small shop leaves, and a quick model."""
    shop = habits()
    write_table(
        folder / "data/features/holdout/basket_lines.parquet",
        pa.table(
            {
                "user_id": shop.user_ids[shop.shopper],
                "item_id": shop.item_ids[shop.item],
                "basket": shop.basket,
                "occurred_us": (MOMENT_US + shop.day * DAY_US).astype("int64"),
                "week": shop.week,
            }
        ),
    )
    items = {"item_id": shop.item_ids, "type": shop.item_type.astype(str)}
    write_table(folder / "data/validated/items.parquet", pa.table(items))
    write_table(folder / "data/validated/placements.parquet", schema(PLACEMENTS).empty_table())
    moment = {"week": 15, "at_us": MOMENT_US, "history_from_week": 1, "targets_sha256": "0" * 64}
    (folder / "data/split").mkdir()
    (folder / "run").mkdir()
    (folder / "data/split/split.json").write_text(json.dumps({"validation": moment, "holdout": moment}))
    params = yaml.safe_load((CHECKOUT / "params.yaml").read_text())
    params["train_sequence"] |= {"model_size": "small", "target_weeks": 4, "batch": 32, "negatives": 32}
    params["train_sequence"] |= {"minimum_purchases": 5, "threads": 1}
    params["tune_sequence"]["origins"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def tune(workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pipelines.cli",
        "action",
        "tune_sequence",
        "--workspace",
        str(workspace),
    ]
    environment = dict(os.environ) | {
        "SHOPLOOP_HOME": str(workspace / "home"),
        "SHOPLOOP_MLFLOW_URL": f"sqlite:///{workspace}/mlflow.db",
    }
    return subprocess.run(
        [*command, "--budget-minutes", "0"], cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    workspace = make_workspace(tmp_path_factory.mktemp("tuning") / "tune-1")
    done = tune(workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace, done.stdout


def test_tune_sequence__says_what_to_do_and_why(tuned: tuple[Path, str]) -> None:
    workspace, said = tuned
    result = read_result(workspace, "tune_sequence")
    assert "trial 0: dropout 0.4, epochs 2, learning_rate 0.007," in said
    assert result["trials"] == 2
    assert said.rstrip().endswith(result["note"].splitlines()[-1])
    # Week 14 is the last before the decision; the search saw week 13 alone.
    assert "2 trials on weeks 13;" in result["note"]
    assert len(result["note"]) < 1000
    if result["best_trial"]:
        assert result["comparison"]["week"] == 14
        assert "which the search did not see" in result["note"]
        assert result["is_better"] == (result["comparison"]["difference"]["low"] > 0)
    else:
        assert "keep it" in result["note"]
        assert result["comparison"] is None


def test_tune_sequence__keeps_every_trial_in_mlflow_below_one_run(tuned: tuple[Path, str]) -> None:
    workspace, _ = tuned
    client = MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    experiment: Any = client.get_experiment_by_name("tune_sequence")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"tune-1", "tune-1-0", "tune-1-1"}
    parent = runs["tune-1"].info.run_id
    for name in ("tune-1-0", "tune-1-1"):
        assert runs[name].data.tags["mlflow.parentRunId"] == parent
        assert runs[name].data.metrics["ndcg_at_10"] == runs[name].data.metrics["ndcg_at_10.week_13"]
    assert runs["tune-1-0"].data.params["learning_rate"] == "0.007"
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_tune_sequence__says_when_there_are_too_few_weeks(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "short")
    params = yaml.safe_load((workspace / "params.yaml").read_text())
    params["tune_sequence"]["origins"] = 10
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(
        ParamsError, match="origins: 10 reach back to week 4, which has fewer than 4 weeks before it"
    ):
        tune_sequence(Registry(f"sqlite:///{workspace}/mlflow.db"), workspace, 0)
