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
from serving.sqlite_state import SqliteState

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
    posted = read_posted(SqliteState(log), 1, NOW)
    assert (posted.first, posted.last) == (2, 3)
    assert posted.events["event_id"].to_pylist() == ["v2", "v3"]
    assert posted.events["occurred_at"].to_pylist() == [datetime(2017, 10, 30, 4, 30, tzinfo=UTC)] * 2
    assert posted.events["ingested_at"].to_pylist() == [NOW, NOW]


def test_read_posted__takes_moments_in_microseconds(tmp_path: Path) -> None:
    log = write_log(tmp_path / "shopper.db", VIEW | {"occurred_at": 1_509_337_800_000_000})
    assert read_posted(SqliteState(log), 0, NOW).events["occurred_at"].to_pylist() == [
        datetime(2017, 10, 30, 4, 30, tzinfo=UTC)
    ]


def test_read_posted__is_empty_without_a_log(tmp_path: Path) -> None:
    assert read_posted(SqliteState(tmp_path / "none.db"), 0, NOW).last == 0
    sqlite3.connect(tmp_path / "empty.db").close()
    assert read_posted(SqliteState(tmp_path / "empty.db"), 0, NOW).events.num_rows == 0


def test_read_posted__puts_aside_what_is_no_event(tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "shopper.db",
        VIEW,
        "[1]",
        "{",
        VIEW | {"event_id": "q", "quantity": "two"},
        VIEW | {"event_id": "t", "occurred_at": "2017-10-30T04:30:00"},
    )
    rows = read_posted(SqliteState(log), 0, NOW).events.to_pylist()
    assert [row["fault"] is None for row in rows] == [True, False, False, False, False]
    assert [row["event_id"] for row in rows] == ["v1", "bad-1", "bad-2", "q", "t"]
    assert [row["origin"] for row in rows] == [f"posted event {seq}" for seq in range(1, 6)]
    assert rows[1]["fault"] == "unreadable: body: expected a JSON object, found list"
    assert rows[2]["fault"].startswith("unreadable: body: expected JSON, found '{' (Expecting property name")
    assert rows[3]["fault"] == "unreadable: quantity: expected float64, found 'two'"
    assert rows[4]["fault"] == (
        "unreadable: occurred_at: expected ISO 8601 text with a time zone, found '2017-10-30T04:30:00'"
    )


def test_read_posted__keeps_the_body_and_what_of_it_could_be_read(tmp_path: Path) -> None:
    body = VIEW | {"quantity": "two"}
    (row,) = read_posted(SqliteState(write_log(tmp_path / "shopper.db", body)), 0, NOW).events.to_pylist()
    assert json.loads(row["original"]) == body
    assert (row["user_id"], row["item_id"], row["quantity"]) == ("7", "x", None)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (VIEW | {"value": 10**400}, "value: expected float64, found 1000"),
        (VIEW | {"occurred_at": 2**80}, "occurred_at: expected ISO 8601 text with a time zone, found 1208"),
        (VIEW | {"item_id": "\ud800"}, r"item_id: expected Unicode text, found '\ud800'"),
        ("[" * 100_000, "body: expected JSON, found '[["),
        (VIEW | {"quantity": "two", "value": True}, "quantity: expected float64, found 'two'; unreadable: value: "),
    ],
    ids=["huge_number", "huge_moment", "half_a_character", "nested", "two_faults"],
)  # fmt: skip
def test_read_posted__one_odd_body_holds_up_no_other(tmp_path: Path, body: Any, fault: str) -> None:
    good = VIEW | {"event_id": "good"}
    rows = read_posted(SqliteState(write_log(tmp_path / "shopper.db", body, good)), 0, NOW).events.to_pylist()
    assert rows[0]["fault"].startswith(f"unreadable: {fault}")
    assert rows[1]["fault"] is None


def test_read_posted__names_a_broken_log(tmp_path: Path) -> None:
    (tmp_path / "shopper.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(
        StorageError, match=r"shopper.db: the event log cannot be read .*restart the endpoint"
    ):
        read_posted(SqliteState(tmp_path / "shopper.db"), 0, NOW)


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

    posted = read_posted(SqliteState(tmp_path / "shopper.db"), 0, NOW)
    sifted = sift(posted.events, EVENTS, NOW)

    assert posted.events["fault"].null_count == 4
    assert sifted.quarantined.to_pylist() == []
    assert sifted.accepted["event_id"].to_pylist() == ["at -60", "at 0", "at 60", "at 300"]
    assert sifted.accepted["occurred_at"].to_pylist() == [NOW - timedelta(minutes=1), NOW, NOW, NOW]
