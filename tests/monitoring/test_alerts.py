"""Alerts reach a real webhook, name the page that says what to do, and never break what they tell of."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.actions.watch_releases import watch_releases
from pipelines.monitoring.alerts import Alert, failed_task, no_promotion, send
from pipelines.params import WatchReleases
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release, utc_now
from pipelines.run_facts import read_result
from pipelines.settings import CHECKOUT, Settings
from tests.monitoring.webhook import Webhook, listening

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SOME = Alert("failed_task", "it failed", "why", "http://127.0.0.1:8080/x")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as server:
        yield server


def test_send__posts_what_chats_show_and_what_programs_read(webhook: Webhook) -> None:
    assert send(Settings(alert_webhook=webhook.url), SOME)
    (body,) = webhook.received
    assert body == {
        "kind": "failed_task", "title": "it failed", "detail": "why", "link": "http://127.0.0.1:8080/x",
        "runbook": "docs/runbooks/failed_task.md",
        "text": "it failed\nwhy\nLook at http://127.0.0.1:8080/x\nWhat to do: docs/runbooks/failed_task.md",
    }  # fmt: skip


def test_send__tries_again_and_gives_up_without_raising(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.answers = [500, 503]
    assert send(Settings(alert_webhook=webhook.url), SOME)
    assert len(webhook.received) == 3
    webhook.answers = [500, 500, 404, 200]
    assert not send(Settings(alert_webhook=webhook.url), SOME)
    assert "'it failed' could not be sent" in caplog.text
    assert "404" in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "nonsense", "ftp://127.0.0.1/x", ""])
def test_send__to_nowhere_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not send(Settings(alert_webhook=url), SOME)
    assert "it failed" in caplog.text
    assert "SHOPLOOP_ALERT_WEBHOOK" in caplog.text


def test_failed_task__links_to_the_run_in_airflow() -> None:
    alert = failed_task(
        Settings(port_airflow=8080), "train_recommender", "manual__2026-11-29T10:00+00:00", "gate", "x"
    )
    assert alert.title == "gate of train_recommender failed"
    assert alert.link.endswith("/dags/train_recommender/runs/manual__2026-11-29T10%3A00%2B00%3A00")


@pytest.mark.parametrize(("days", "is_late"), [(20.9, False), (21.0, False), (21.1, True)])
def test_no_promotion__counts_from_the_last_release(days: float, is_late: bool) -> None:
    alert = no_promotion(Settings(), NOON - timedelta(days=days), NOON, 21)
    assert (alert is not None) == is_late
    if alert:
        assert alert.title == "No release for 21 days"


def test_no_promotion__is_none_before_the_first_release() -> None:
    assert no_promotion(Settings(), None, NOON, 21) is None


def test_watch_releases__alerts_when_the_last_release_is_old(webhook: Webhook, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, alert_webhook=webhook.url)
    ledger = Ledger(settings.ledger)
    assert watch_releases(settings, WatchReleases(days_without_release=1), ledger, tmp_path) == (
        "nothing was ever released"
    )
    made = Release("r-1-a", utc_now(), "run", "d", "x:1", "", "a", "", 1, "", False, "", "", "")
    ledger.add_release(made)
    ledger.move("r-1-a", None, "release", "a test", "it passed", "d-1")
    assert "in time" in watch_releases(settings, WatchReleases(days_without_release=1), ledger, tmp_path)
    assert webhook.received == []

    told = watch_releases(settings, WatchReleases(days_without_release=1e-9), ledger, tmp_path)

    assert told.endswith("an alert was sent")
    assert read_result(tmp_path, "watch_releases")["is_late"]
    assert [body["kind"] for body in webhook.received] == ["no_promotion"]


@pytest.mark.parametrize("kind", ["failed_task", "no_promotion"])
def test_runbook__of_each_alert_is_there(kind: str) -> None:
    assert (CHECKOUT / Alert(kind, "", "", "").body()["runbook"]).is_file()
