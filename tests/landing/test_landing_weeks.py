"""Weeks of the real source, posted events, and interruptions."""

import asyncio
import json
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import redis
from landed_files import HISTORY, files_of

from pipelines.actions.fetch_inputs import fetch_inputs
from pipelines.actions.land_batch import LandRequest, _require_own_log, land_batch
from pipelines.actions.validate_batch import ValidateResult, validate_batch
from pipelines.landing import LandingError
from pipelines.settings import CHECKOUT, Settings
from pipelines.shop import OpenShop
from pipelines.tables import StorageError, read_table
from pipelines.weeks import to_micros
from serving.state import LoggedEvent
from serving.stores import open_state
from tests.redis_under_test import RedisUnderTest

Land = Callable[..., ValidateResult]


def post(settings: Settings, *events: dict[str, object]) -> None:
    """Append to the event log as the endpoint does."""
    settings.state_file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(settings.state_file)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS posted_events "
            "(seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, received_at TEXT "
            "NOT NULL)"
        )
        rows = [(event["event_id"], json.dumps(event)) for event in events]
        connection.executemany(
            "INSERT INTO posted_events (event_id, body, received_at) VALUES (?, ?, '')", rows
        )


def test_source__lands_history_then_week_by_week(
    shop: OpenShop, shop_settings: Settings, land: Land, tmp_path: Path
) -> None:
    first = land()
    assert [record.batch.batch_id for record in first.batches] == ["weeks-01-05"]
    assert shop.clock.week == HISTORY
    events = first.batches[0].counts["events"]
    assert events["rows_in"] == events["accepted"] + events["quarantined"]
    assert first.batches[0].violations["events"] == {"quantity_in_range": events["quarantined"]}
    assert read_table(shop.landing.events_of("weeks-01-05")).num_rows == events["accepted"]
    inputs = fetch_inputs(shop_settings, tmp_path / "ws")
    before = files_of(tmp_path / "ws/data/inputs")

    assert land().status == "nothing_pending"
    assert land_batch(shop_settings, LandRequest(until_week=5)).status == "already_accepted"
    now = shop.clock.now()
    moment = now.isoformat()
    view = {"event_type": "view", "user_id": "900", "item_id": "25671", "occurred_at": moment}
    post(shop_settings, view | {"event_id": "v1"}, view | {"event_id": "v2", "item_id": 5})
    posted = land()
    assert [record.batch.batch_id for record in posted.batches] == ["posted-1-2"]
    assert posted.batches[0].counts["events"] == {
        "rows_in": 2, "accepted": 1, "quarantined": 1, "duplicates": 0
    }  # fmt: skip
    assert fetch_inputs(shop_settings, tmp_path / "ws").batch_ids == inputs.batch_ids
    assert files_of(tmp_path / "ws/data/inputs") == before, "what training cannot know yet changes no input"

    post(shop_settings, view | {"event_id": "v3"})
    second = land(weeks=1)
    assert [record.batch.batch_id for record in second.batches] == ["posted-3-3", "week-06"]
    assert shop.clock.week == 6
    assert set(fetch_inputs(shop_settings, tmp_path / "ws").batch_ids) == {
        "weeks-01-05", "posted-1-2", "posted-3-3", "week-06"
    }  # fmt: skip


def test_task_tried_again__lands_no_further_week(
    shop: OpenShop, shop_settings: Settings, land: Land, week_file: Callable[..., Path], tmp_path: Path
) -> None:
    land(file=week_file(1), week=1)
    one_more = LandRequest(weeks=1)
    first = land_batch(shop_settings, one_more, tmp_path / "ingest-1")
    validate_batch(shop_settings, tmp_path / "ingest-1")

    again = land_batch(shop_settings, one_more, tmp_path / "ingest-1")
    judged = validate_batch(shop_settings, tmp_path / "ingest-1")
    another_run = land_batch(shop_settings, one_more, tmp_path / "ingest-2")

    assert (first.batch_ids, again.batch_ids) == (("week-02",), ())
    assert (judged.status, judged.week) == ("nothing_pending", 2)
    assert another_run.batch_ids == ("week-03",)


def test_source__says_where_it_ends(shop_settings: Settings) -> None:
    with pytest.raises(LandingError, match="ends with week 53: expected a week up to that, found 105"):
        land_batch(shop_settings, LandRequest(weeks=100))


def test_fetch_inputs__asks_for_the_history_first(shop_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="land the history first"):
        fetch_inputs(shop_settings, tmp_path / "ws")


def test_posted__in_another_log_than_the_one_that_landed_are_not_passed_over(
    shop: OpenShop, shop_settings: Settings, land: Land, week_file: Callable[..., Path]
) -> None:
    def view(event_id: str) -> dict[str, object]:
        moment = shop.calendar.start(1).isoformat()
        ids = {"event_id": event_id, "user_id": "900", "item_id": "25671"}
        return ids | {"event_type": "view", "occurred_at": moment}

    land(file=week_file(1), week=1)
    post(shop_settings, view("v1"), view("v2"), view("v3"))
    land()
    assert land().status == "nothing_pending", "an unchanged log is in order"
    shop_settings.state_file.unlink()
    assert land().status == "nothing_pending", "without any event none can be lost"
    post(shop_settings, view("v3"), view("v4"))

    with pytest.raises(
        LandingError, match=r"shopper.db: .*event 3 has landed, found one .* event 2"
    ) as error:
        land_batch(shop_settings)
    with closing(sqlite3.connect(shop_settings.state_file)) as connection, connection:
        connection.execute(str(error.value).split("'")[1])
    (record,) = land().batches

    assert record.batch.batch_id == "posted-4-5"
    assert (record.counts["events"]["accepted"], record.counts["events"]["duplicates"]) == (1, 1)


def test_full_disk__leaves_what_was_accepted_and_can_be_repeated(
    shop: OpenShop, shop_settings: Settings, land: Land, week_file: Callable[..., Path]
) -> None:
    land(file=week_file(1), week=1)
    before = files_of(shop.landing.root / "accepted")
    before_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before_limit[1]))
    try:
        with pytest.raises(StorageError, match=r"the disk is full .*nothing was changed: free some space"):
            land_batch(shop_settings, LandRequest(weeks=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before_limit)
    assert files_of(shop.landing.root / "accepted") == before
    assert shop.landing.pending() == []
    assert land_batch(shop_settings, LandRequest(weeks=1)).batch_ids == ("week-02",)


@pytest.mark.parametrize(
    "moment",
    [
        "raw/weeks-01-05/batch.json",
        "accepted/events/weeks-01-05.parquet",
        "accepted/batches/weeks-01-05.json",
    ],
)
def test_killed_process__leaves_nothing_half_accepted(
    shop: OpenShop, shop_settings: Settings, moment: str
) -> None:
    """Killed while landing, and twice while accepting; a repetition completes it."""
    assert _killed_at(shop.landing.root / moment, shop_settings) == -signal.SIGKILL
    assert shop.landing.accepted() == []
    assert shop.clock.week == 0
    land_batch(shop_settings)
    assert [record.batch.batch_id for record in validate_batch(shop_settings).batches] == ["weeks-01-05"]
    assert shop.clock.week == HISTORY
    assert read_table(shop.landing.events_of("weeks-01-05")).num_rows > 0


def test_killed_before_the_clock_moved__is_repaired_by_the_next_landing(
    shop: OpenShop, shop_settings: Settings, land: Land, week_file: Callable[..., Path]
) -> None:
    land(file=week_file(1), week=1)
    shop_settings.clock_file.unlink()
    land_batch(shop_settings, LandRequest(until_week=1))
    assert shop.clock.week == 1


def _killed_at(path: Path, settings: Settings) -> int:
    """Land and judge in a process that is killed the moment it would put ``path`` into place."""
    code = (
        "import os, signal, sys\n"
        "def watch(event, values):\n"
        "    if event == 'os.rename' and str(values[1]) == sys.argv[1]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(watch)\n"
        "from pipelines.actions.land_batch import land_batch\n"
        "from pipelines.actions.validate_batch import validate_batch\n"
        "from pipelines.settings import settings\n"
        "land_batch(settings()); validate_batch(settings())"
    )
    # From a file: asked to be imported by `python -c`, pyspark takes that for a doctest and ends the process.
    script = settings.home.parent / "land_and_judge.py"
    script.write_text(code)
    environment = {"SHOPLOOP_HOME": str(settings.home), "SHOPLOOP_CHECKOUT": str(settings.checkout)}
    environment["PYTHONPATH"] = str(CHECKOUT)
    command = [sys.executable, str(script), str(path)]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, timeout=300).returncode


def test_posted__lands_from_redis_and_not_from_one_that_lost_its_log(
    shop: OpenShop,
    shop_settings: Settings,
    redis_server: RedisUnderTest,
    land: Land,
    week_file: Callable[..., Path],
) -> None:
    moment = to_micros(shop.calendar.start(1))
    said = {"user_id": "900", "item_id": "25671", "event_type": "view", "occurred_at": moment}

    def post_to(settings: Settings, *event_ids: str) -> None:
        events = [LoggedEvent(name, "view", moment, said | {"event_id": name}) for name in event_ids]
        with closing(open_state(settings.state_url, settings.state_file)) as state:
            asyncio.run(state.append(events))

    here = shop_settings.model_copy(update={"state_url": redis_server.new_url()})
    land(file=week_file(1), week=1)
    post_to(here, "v1", "v2", "v3")
    assert land_batch(here).batch_ids == ("posted-1-3",)
    validate_batch(here)
    with closing(open_state(here.state_url, here.state_file)) as state:
        _require_own_log(state, 3)  # an unchanged log is in order

    emptied = here.model_copy(update={"state_url": redis_server.new_url()})
    post_to(emptied, "v4", "v5")
    with pytest.raises(
        LandingError, match=r"Redis at .*event 3 has landed, found one .* event 2.*SET shoploop:seq 3"
    ):
        land_batch(emptied)
    redis.Redis.from_url(emptied.state_url).set("shoploop:seq", 3)
    post_to(emptied, "v6")
    assert land_batch(emptied).batch_ids == ("posted-4-4",)


def test_posted__from_a_redis_that_is_away_says_so(shop_settings: Settings) -> None:
    away = shop_settings.model_copy(update={"state_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(StorageError, match=r"Redis at 127.0.0.1:1/0: the event log cannot be read"):
        land_batch(away)
