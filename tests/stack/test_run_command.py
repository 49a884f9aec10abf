"""What `shoploop run` and `shoploop land` start, by what has landed; Airflow itself is played."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.actions.publish_events import publish_events
from pipelines.commands import land, run
from pipelines.commands.progress import FollowedRun
from pipelines.landing import Accepted, Batch, Landing
from pipelines.settings import Settings
from pipelines.stack import runs


class Airflow:
    """Takes triggers down; of trainings, ``active`` run."""

    def __init__(self) -> None:
        self.triggered: list[tuple[str, dict[str, Any]]] = []
        self.active: list[str] = []

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        active = self.active if dag_id == runs.TRAIN else []
        return [{"dag_run_id": run_id, "state": "running"} for run_id in active]

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> dict[str, Any]:
        self.triggered.append((dag_id, conf))
        return {"dag_run_id": "manual-1"}


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def started(here: Settings, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """An Airflow whose ingest succeeds at once and starts the training `asset-1`."""
    done = FollowedRun(runs.INGEST, "manual-1", "success", {"publish_events": 1.0}, {})
    monkeypatch.setattr(run, "follow_to_end", lambda *_: done)
    monkeypatch.setattr(runs, "asset_run_of", lambda *_: "asset-1")
    return Airflow()


def accept_week(settings: Settings, week: int, rows: int = 5) -> None:
    """Leave the record of an accepted batch, as `shoploop land` does without the stack."""
    batch = Batch(
        f"week-{week}", "weeks", datetime(2017, 1, week, tzinfo=UTC).isoformat(), "a test", week, week
    )
    Landing(settings.landing).accept(Accepted(batch, {"events": {"accepted": rows}}), {})


def test_land_history__of_an_empty_shop_lands_it(here: Settings, started: Airflow) -> None:
    assert run._land_history(here, started, {}) == "asset-1"
    assert started.triggered == [("ingest_events", {"weeks": 0})]


def test_land_history__accepted_but_never_published_is_published(
    here: Settings, started: Airflow, capsys: pytest.CaptureFixture[str]
) -> None:
    accept_week(here, 1)
    publish_events(Landing(here.landing), here.home / "ingest-1")
    accept_week(here, 2)

    assert run._land_history(here, started, {}) == "asset-1"
    assert started.triggered == [("ingest_events", {"weeks": 0})]
    assert "Publishing week-2 (" in capsys.readouterr().out


def test_land_history__all_published_starts_nothing(here: Settings, started: Airflow) -> None:
    accept_week(here, 1)
    publish_events(Landing(here.landing), here.home / "ingest-1")
    accept_week(here, 2, rows=0)  # known rows only: no ingest publishes it, now or later

    assert run._land_history(here, started, {}) is None
    assert started.triggered == []


@pytest.mark.parametrize(
    ("ran", "active", "said"),
    [
        ({}, ["run-1"], "Nothing new was published, so no training starts"),
        ({"publish_events": 1.0}, ["run-1"], "Training run run-1 goes on; that of this landing starts"),
        ({"publish_events": 1.0}, [], "No training has started yet; `shoploop run` trains"),
    ],
)
def test_land__without_a_training_to_follow_says_why(
    ran: dict[str, float],
    active: list[str],
    said: str,
    here: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    airflow = Airflow()
    airflow.active = active
    monkeypatch.setattr("pipelines.settings.settings", lambda: here)
    monkeypatch.setattr(
        land, "follow_to_end", lambda *_: FollowedRun(runs.INGEST, "manual-1", "success", ran, {})
    )
    monkeypatch.setattr(runs, "wait_for_dags", lambda _: None)
    monkeypatch.setattr(runs, "asset_run_of", lambda *_: None)

    land._by_airflow(airflow, {"weeks": 1}, follow=True)

    assert airflow.triggered == [("ingest_events", {"weeks": 1})]
    assert said in capsys.readouterr().out
