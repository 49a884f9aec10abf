"""The live release rebuilt and trained with another seed, in a small pipeline of real DVC stages."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipelines.actions.check_release import change_seeds, check_release
from pipelines.params import CheckRelease, flatten, load_params
from pipelines.releases.ledger import Ledger
from pipelines.run_facts import read_result
from pipelines.settings import Settings
from pipelines.workspace import WorkspaceError
from tests.actions.conftest import CHECKOUT
from tests.actions.test_reproduce_release import released, small_shop
from tests.monitoring.webhook import Webhook, listening

POLICY = CheckRelease(other_seed=11, seed_margin=0.2, alike_low=0.5, confidence=0.95, bootstrap_samples=200)
PARAMS = "train_sequence: {seed: 7}\nfit_baselines: {als: {seed: 7, factors: 2}}\n"
DVC_YAML = """
stages:
  train:
    cmd: python make.py
    deps: [data/inputs, make.py]
    params: [train_sequence, fit_baselines]
    outs: [models/candidate]
    metrics: [reports/metrics.json]
  evaluate_candidate:
    cmd: python judge.py
    deps: [models/candidate, judge.py]
    params: [train_sequence, fit_baselines]
    outs: [reports/per_user.parquet, reports/known_queries.json]
"""
JUDGE = """
import json, pathlib, yaml
import numpy as np, pandas as pd
seeds = yaml.safe_load(open("params.yaml"))
seed = seeds["train_sequence"]["seed"]
assert seeds["fit_baselines"]["als"]["seed"] == seed
values = 0.3 + 0.1 * np.sin(np.arange(400)) + (0 if seed == 7 else {change})
rows = pd.DataFrame({{"system": "blend", "user_id": [f"{{n:03}}" for n in range(400)], "ndcg_at_10": values}})
others = rows.assign(system="popularity", ndcg_at_10=0.0)
pathlib.Path("reports").mkdir(exist_ok=True)
pd.concat([others, rows.sample(frac=1, random_state=seed)]).to_parquet("reports/per_user.parquet")
queries = [{{"user_id": str(n), "expected": [[str(n + place), 1.0] for place in range(10)]}} for n in range(3)]
pathlib.Path("reports/known_queries.json").write_text(json.dumps({{"queries": queries}}))
"""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as server:
        yield server


def shop_with(tmp_path: Path, webhook: Webhook, change: float) -> Settings:
    judge = {"judge.py": JUDGE.format(change=change), "params.yaml": PARAMS}
    made = small_shop(tmp_path, DVC_YAML, judge)
    return made.model_copy(update={"alert_webhook": webhook.url})


def live(shop: Settings, ledger: Ledger, tmp_path: Path) -> str:
    release, _ = released(shop, ledger, tmp_path)
    ledger.move(release, None, "release", "a test", "a test", "d-1")
    return release


def test_check__of_a_release_that_stands_keeps_a_decision_and_tells_nobody(
    tmp_path: Path, webhook: Webhook
) -> None:
    shop = shop_with(tmp_path, webhook, change=0.001)
    ledger = Ledger(shop.ledger)
    release = live(shop, ledger, tmp_path)
    said: list[str] = []

    told = check_release(shop, POLICY, ledger, tmp_path / "task", said.append)

    result = read_result(tmp_path / "task", "check_release")
    assert result["verdict"] == "PASS", told
    assert "NDCG@10 0.3" in told
    assert "100% of the first ten items of 3 shoppers" in told
    (kept,) = [one for one in ledger.decisions("run-1") if one.kind == "stability"]
    assert kept.decision_id == result["decision_id"]
    assert json.loads(kept.body)["policy"]["other_seed"] == 11
    assert webhook.received == []
    assert not (shop.workspaces / f"reproduce-{release}").exists()
    assert ledger.live().release_id == release
    assert any("built once more" in line for line in said)
    # The recorded run is as it was.
    recorded = yaml.safe_load((shop.workspaces / "run-1" / "params.yaml").read_text())
    assert recorded["train_sequence"]["seed"] == 7


def test_check__of_a_release_that_was_luck_alerts_and_takes_nothing_back(
    tmp_path: Path, webhook: Webhook
) -> None:
    shop = shop_with(tmp_path, webhook, change=-0.2)
    ledger = Ledger(shop.ledger)
    release = live(shop, ledger, tmp_path)

    told = check_release(shop, POLICY, ledger, tmp_path / "task", lambda _: None)

    assert "the model of seed 11 differs from the release" in told
    (alert,) = webhook.received
    assert alert["title"] == f"{release} does not stand its weekly check"
    assert alert["runbook"] == "docs/runbooks/failed_check.md"
    assert (CHECKOUT / alert["runbook"]).is_file()
    assert ledger.live().release_id == release


def test_check__keeps_the_rebuild_where_it_differs(tmp_path: Path, webhook: Webhook) -> None:
    shop = shop_with(tmp_path, webhook, change=0.0)
    ledger = Ledger(shop.ledger)
    release = live(shop, ledger, tmp_path)
    (tmp_path / "luck" / "bad").mkdir(parents=True)

    told = check_release(shop, POLICY, ledger, tmp_path / "task", lambda _: None)

    assert "these differ: reports/metrics.json, NDCG@10 of the candidate" in told
    kept = shop.workspaces / f"reproduce-{release}"
    assert (kept / "reports/metrics.json").is_file()
    # What is left to look at is the rebuild, not what another seed made of it.
    assert (kept / "params.yaml").read_text() == PARAMS
    assert [path.name for path in shop.workspaces.iterdir() if path.name.startswith("seed-")] == []


def test_check__before_anything_is_live_is_skipped_and_without_a_workspace_refused(
    tmp_path: Path, webhook: Webhook
) -> None:
    shop = shop_with(tmp_path, webhook, change=0.0)
    ledger = Ledger(shop.ledger)
    assert "nothing is live yet" in check_release(shop, POLICY, ledger, tmp_path / "task", lambda _: None)
    assert "nothing is live" in read_result(tmp_path / "task", "check_release")["skip"]
    live(shop, ledger, tmp_path)
    (shop.workspaces / "run-1" / "dvc.lock").unlink()
    with pytest.raises(WorkspaceError, match="the workspace of r-44-a is gone"):
        check_release(shop, POLICY, ledger, tmp_path / "task", lambda _: None)


def test_command__runs_as_the_task_of_the_dag_does(tmp_path: Path, webhook: Webhook) -> None:
    shop = shop_with(tmp_path, webhook, change=0.0)
    command = [
        sys.executable,
        "-m",
        "pipelines.cli",
        "action",
        "check_release",
        "--workspace",
        str(tmp_path / "task"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={"SHOPLOOP_HOME": str(shop.home)})
    assert done.returncode == 0, done.stderr
    assert "nothing is live yet" in done.stdout


def test_change_seeds__knows_every_seed_of_the_training(tmp_path: Path) -> None:
    copy = tmp_path / "params.yaml"
    copy.write_text((CHECKOUT / "params.yaml").read_text())
    change_seeds(copy, 11)
    before, now = (dict(flatten(load_params(file).model_dump())) for file in (CHECKOUT / "params.yaml", copy))
    changed = {key for key in before if before[key] != now[key]}
    assert changed == {"train_sequence.seed", "fit_baselines.als.seed"}
    assert now["train_sequence.seed"] == now["fit_baselines.als.seed"] == 11
