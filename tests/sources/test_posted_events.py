"""The endpoint's event log, read for landing."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.contracts import EVENTS
from pipelines.contracts.sifting import sift
from pipelines.sources.posted_events import read_posted
from pipelines.tables import StorageError
from serving.clock import ServingClock, micros
from serving.environment import Environment
from serving.plane import DataPlane

NOW = datetime(2017, 10, 30, 5, tzinfo=UTC)
VIEW = {
    "event_id": "v1",
    "event_type": "view",
    "user_id": "7",
    "item_id": "x",
    "occurred_at": "2017-10-30T04:30:00+00:00",
}


def write_log(path: Path, *bodies: Any) -> Path:
    """An event log as the endpoint writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS posted_events "
            "(seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, received_at TEXT "
            "NOT NULL)"
        )
        for number, body in enumerate(bodies):
            text = body if isinstance(body, str) else json.dumps(body)
            row = (
                body.get("event_id") if isinstance(body, dict) else f"bad-{number}",
                text,
                "2026-01-01T00:00:00+00:00",
            )
            connection.execute(
                "INSERT INTO posted_events (event_id, body, received_at) VALUES (?, ?, ?)", row
            )
    return path


def test_read_posted__reads_from_the_watermark_on(tmp_path: Path) -> None:
    log = write_log(tmp_path / "shopper.db", VIEW, VIEW | {"event_id": "v2"}, VIEW | {"event_id": "v3"})
    posted = read_posted(log, 1, NOW)
    assert (posted.first, posted.last) == (2, 3)
    assert posted.events["event_id"].to_pylist() == ["v2", "v3"]
    assert posted.events["occurred_at"].to_pylist() == [datetime(2017, 10, 30, 4, 30, tzinfo=UTC)] * 2
    assert posted.events["ingested_at"].to_pylist() == [NOW, NOW]


def test_read_posted__takes_moments_in_microseconds(tmp_path: Path) -> None:
    log = write_log(tmp_path / "shopper.db", VIEW | {"occurred_at": 1_509_337_800_000_000})
    assert read_posted(log, 0, NOW).events["occurred_at"].to_pylist() == [
        datetime(2017, 10, 30, 4, 30, tzinfo=UTC)
    ]


def test_read_posted__is_empty_without_a_log(tmp_path: Path) -> None:
    assert read_posted(tmp_path / "none.db", 0, NOW).last == 0
    sqlite3.connect(tmp_path / "empty.db").close()
    assert read_posted(tmp_path / "empty.db", 0, NOW).events.num_rows == 0


def test_read_posted__puts_aside_what_is_no_event(tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "shopper.db",
        VIEW,
        "[1]",
        "{",
        VIEW | {"event_id": "q", "quantity": "two"},
        VIEW | {"event_id": "t", "occurred_at": "2017-10-30T04:30:00"},
    )
    posted = read_posted(log, 0, NOW)
    assert posted.events.num_rows == 1
    rows = posted.unreadable.select(["row", "reason", "event_id"]).to_pylist()
    assert [row["row"] for row in rows] == [2, 3, 4, 5]
    assert [row["event_id"] for row in rows] == ["bad-1", "bad-2", "q", "t"]
    assert "expected a JSON object, found list" in rows[0]["reason"]
    assert "column quantity: expected float64, found 'two'" in rows[2]["reason"]
    assert "column occurred_at: expected ISO 8601 text with a time zone" in rows[3]["reason"]


def test_read_posted__names_a_broken_log(tmp_path: Path) -> None:
    (tmp_path / "shopper.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(
        StorageError, match=r"shopper.db: the event log cannot be read .*restart the endpoint"
    ):
        read_posted(tmp_path / "shopper.db", 0, NOW)


def post_at(now: datetime, state_file: Path, events: list[dict[str, Any]], clock: pytest.MonkeyPatch) -> int:
    """Post to a data plane whose shop lives at ``now``; returns how many it accepted."""
    clock.setattr(ServingClock, "now", lambda _: micros(now))
    plane = DataPlane(Environment(state_file=state_file, bundle=state_file.with_name("no-bundle")))
    try:
        return asyncio.run(plane.events(json.dumps(events).encode(), "a-request")).accepted
    finally:
        plane.close()


def test_read_posted__nothing_the_endpoint_accepted_is_quarantined_in_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [-60, 0, 60, 300]
    events = [
        VIEW
        | {"event_id": f"at {ahead}", "event_type": "purchase"}
        | {"occurred_at": (NOW + timedelta(seconds=ahead)).isoformat()}
        for ahead in seconds
    ]
    assert post_at(NOW, tmp_path / "shopper.db", events, monkeypatch) == 4

    posted = read_posted(tmp_path / "shopper.db", 0, NOW)
    sifted = sift(posted.events, EVENTS, NOW)

    assert posted.unreadable.num_rows == 0
    assert sifted.quarantined.to_pylist() == []
    assert sifted.accepted["event_id"].to_pylist() == ["at -60", "at 0", "at 60", "at 300"]
    assert sifted.accepted["occurred_at"].to_pylist() == [NOW - timedelta(minutes=1), NOW, NOW, NOW]
