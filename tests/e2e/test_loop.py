"""The loop turns on real data with all tools real. The tests build on each other, in this order."""

import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.stack.environment import mlflow_client_environment
from pipelines.tables import sha256
from tests.e2e.conftest import HISTORY
from tests.e2e.running_shop import INGEST, ROLLBACK, TRAIN, RunningShop
from tests.monitoring.webhook import Webhook

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

STAGES_AND_GATE = ("train_sequence", "decide_promotion", "log_run", "read_decision")


def test_first_turn__ends_with_a_promoted_release_and_real_recommendations(
    shop: RunningShop, first: dict[str, str]
) -> None:
    states = shop.states(TRAIN, first["run"])
    answer = shop.ask("1")

    assert states["finished"] == "success", shop.note(TRAIN, first["run"])
    assert states["refused"] == states["approve_release"] == "skipped"
    assert shop.decision(first["run"])["verdict"] == "PASS"
    assert answer["source"] == "blend"
    assert len({item["item_id"] for item in answer["items"]}) == 10
    assert all(item["title"] and item["reason"] for item in answer["items"])
    assert not shop.facts(first["run"])["dirty"]


def test_first_turn__answers_every_scenario(shop: RunningShop, first: dict[str, str]) -> None:
    liked = [item["item_id"] for item in shop.ask("1")["items"]]
    asked: dict[str, dict[str, Any]] = {
        "similar-items": {"item_id": liked[0]},
        "complements": {"items": liked[:3]},
        "recommendations": {"items": liked[:3], "user_id": "1", "context": "cart"},
        "new-arrivals": {"user_id": "1"},
        "search": {"query": "milk", "user_id": "1"},
        "rank": {"user_id": "1", "items": liked[::-1]},
    }
    answers = {name: shop.post(f"/v1/{name}", body) for name, body in asked.items()}

    assert {answer["release"] for answer in answers.values()} == {first["release"]}
    assert [item["item_id"] for item in answers["rank"]["items"]] == liked
    assert all(len(answer["items"]) == 10 for name, answer in answers.items()), answers
    assert "times as often as by chance" in answers["complements"]["items"][0]["reason"]
    assert "milk" in answers["search"]["items"][0]["title"].lower()
    assert "new here for" in answers["new-arrivals"]["items"][0]["reason"]
    assert not {item["item_id"] for item in answers["recommendations"]["items"]} & {*liked[:3]}
    promoted = shop.post("/v1/promotions", {"user_id": "1", "k": 3})
    assert promoted["release"] == first["release"]
    assert 0 < len(promoted["promotions"]) <= 3, promoted
    assert all(0 < one["probability"] < 1 and one["reason"] for one in promoted["promotions"])


def test_first_turn__shows_nothing_that_the_shop_withholds(shop: RunningShop, first: dict[str, str]) -> None:
    best = shop.ask("1")["items"][0]["item_id"]
    try:
        shop.put_item(best, stock=0)
        assert best not in {item["item_id"] for item in shop.ask("1")["items"]}
        department = {"department": ["GROCERY"]}
        found = shop.post("/v1/recommendations", {"user_id": "1", "only": department, "exclude": [best]})
        assert len(found["items"]) == 10
    finally:
        shop.put_item(best)
    assert shop.ask("1")["items"][0]["item_id"] == best


def test_first_turn__again_is_nothing_new_without_decision_or_release(
    shop: RunningShop, first: dict[str, str]
) -> None:
    again = shop.trigger(TRAIN)

    assert shop.wait(TRAIN, again) == "success"
    states = shop.states(TRAIN, again)
    assert states["nothing_new"] == "success"
    assert {states[name] for name in (*STAGES_AND_GATE, "release_model")} == {"skipped"}
    assert "NOTHING_NEW" in shop.note(TRAIN, again)
    assert shop.live() == first["release"]


def test_first_turn__is_in_mlflow_with_history_and_lineage(
    shop: RunningShop, first: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    for name, value in mlflow_client_environment(shop.settings).items():
        monkeypatch.setenv(name, value)
    client = MlflowClient(shop.settings.mlflow)
    facts = shop.facts(first["run"])
    experiment = client.get_experiment_by_name("train_recommender")
    run = client.search_runs([experiment.experiment_id], f"tags.`shoploop.run_id` = '{first['run']}'")[0]

    assert run.data.tags["verdict"] == "PASS"
    assert run.data.tags["tree_id"] == facts["tree_id"]
    assert run.data.tags["data_sha256"] == facts["data_sha256"]
    assert {"training.validation_loss", "training.holdout_loss"} <= set(run.data.metrics)
    kept = {file.path for file in client.list_artifacts(run.info.run_id, "lineage")}
    assert {"lineage/dvc.lock", "lineage/params.yaml", "lineage/code.tar.gz"} <= kept
    assert client.get_model_version_by_alias("recommender", "champion").run_id == run.info.run_id


def test_one_more_week__is_judged_on_the_frozen_holdout_against_the_champion(
    shop: RunningShop, first: dict[str, str], second: dict[str, Any]
) -> None:
    facts, decision = shop.facts(second["run"]), shop.decision(second["run"])
    checks = {check["name"]: check for check in decision["checks"]}

    assert facts["week"] == HISTORY + 1
    assert facts["champion_release_id"] == first["release"]
    assert checks["holdout_is_frozen"]["verdict"] == "PASS"
    assert "not_inferior_to_champion" in checks
    assert "first_model" not in checks
    assert shop.states(TRAIN, second["run"])["finished"] == "success", decision["summary"]


def test_one_more_week__swaps_the_release_without_one_failed_request(
    first: dict[str, str], second: dict[str, Any]
) -> None:
    load = second["load"]

    assert load.releases == [first["release"], second["release"]]
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert load.outcomes["200"] > 100


def test_bad_week__fails_at_validation_and_nothing_downstream_runs(
    shop: RunningShop, second: dict[str, Any], webhook: Webhook, tmp_path: Path
) -> None:
    webhook.received.clear()
    trainings = len(shop.airflow.runs(TRAIN))
    before = landing_files(shop)
    bad = pq.read_table(landed_week(shop, HISTORY + 1)).slice(0, 2000).to_pandas()
    bad["quantity"] = -1
    bad["event_id"] = [f"bad-{number}" for number in range(len(bad))]
    bad.to_parquet(tmp_path / "bad_week.parquet")

    run = shop.trigger(INGEST, file=str(tmp_path / "bad_week.parquet"))

    assert shop.wait(INGEST, run) == "failed"
    states = shop.states(INGEST, run)
    assert states["land_batch"] == "success", shop.explain(INGEST, run)
    assert states["validate_batch"] == "failed"
    assert states["refresh_state"] == states["publish_events"] == "upstream_failed"
    assert "quantity" in shop.log(INGEST, run, "validate_batch")
    assert [body["title"] for body in webhook.received] == ["validate_batch of ingest_events failed"]
    time.sleep(5)
    assert len(shop.airflow.runs(TRAIN)) == trainings
    assert landing_files(shop) == before
    assert shop.live() == second["release"]


def test_failed_task__is_cleared_and_rerun(shop: RunningShop, second: dict[str, Any], tmp_path: Path) -> None:
    later = tmp_path / "later.parquet"
    run = shop.trigger(INGEST, file=str(later))
    assert shop.wait(INGEST, run) == "failed"
    rows = pq.read_table(landed_week(shop, HISTORY + 1)).slice(0, 50)
    pq.write_table(rows, later)  # known rows: duplicates, so that nothing new is published

    shop.clear(INGEST, run, "land_batch")

    assert shop.wait(INGEST, run) == "success", shop.explain(INGEST, run)
    assert shop.states(INGEST, run)["publish_events"] == "skipped"


def test_killed_scheduler__started_again_takes_the_run_to_its_end(
    shop: RunningShop, second: dict[str, Any]
) -> None:
    tries = {task["task_id"]: task["try_number"] for task in shop.airflow.tasks(TRAIN, second["run"])}

    assert tries["build_features"] == 2
    assert shop.states(TRAIN, second["run"])["finished"] == "success"


def test_posted_events__land_with_the_next_ingest(shop: RunningShop, second: dict[str, Any]) -> None:
    posted = list((shop.settings.landing / "accepted/events").glob("posted-*.parquet"))

    assert [row["event_id"] for file in posted for row in pq.read_table(file).to_pylist()] == ["e2e-1"]


def test_edited_feature_file__is_what_the_next_run_trains_and_marks_dirty(
    shop: RunningShop, refused: dict[str, Any]
) -> None:
    facts = shop.facts(refused["run"])

    assert facts["dirty"]
    assert facts["changed"] == refused["edited"]
    trained = (shop.workspace(refused["run"]) / refused["edited"][0]).read_text()
    assert "AS shifted" in trained
    assert "code or parameters were edited" in refused["told"]


def test_bad_candidate__is_refused_and_the_old_release_answers(
    shop: RunningShop, second: dict[str, Any], refused: dict[str, Any]
) -> None:
    run = refused["run"]
    states = shop.states(TRAIN, run)

    assert shop.decision(run)["verdict"] == "FAIL"
    assert states["refused"] == "success"
    assert states["register_version"] == states["release_model"] == "skipped"
    assert "FAIL" in shop.log(TRAIN, run, "read_decision")
    assert "refused" in shop.note(TRAIN, run)
    assert "FAIL" in refused["told"]
    assert shop.live() == second["release"]


def test_rollback__goes_to_the_previous_release_without_retraining(
    shop: RunningShop, first: dict[str, str], second: dict[str, Any]
) -> None:
    with shop.load() as load:
        run = shop.trigger(ROLLBACK, reason="a test of going back")
        assert shop.wait(ROLLBACK, run) == "success", shop.explain(ROLLBACK, run)
        assert shop.live() == first["release"]

    assert set(load.outcomes) == {"200"}, load.outcomes
    back = ("releases", "rollback", "--to", second["release"], "--reason", "and forth again")
    shop.shoploop(*back)
    assert shop.live() == second["release"]


def landed_week(shop: RunningShop, week: int) -> Path:
    return shop.settings.landing / f"accepted/events/week-{week}.parquet"


def landing_files(shop: RunningShop) -> dict[str, str]:
    """What was accepted, by file and content; what a refused batch leaves is kept beside it."""
    root = shop.settings.landing
    files = [path for path in (root / "accepted").rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): sha256(path) for path in files}
