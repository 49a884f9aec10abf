"""Events that shoppers' clients posted to the endpoint, read from its event log (SQLite)."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.contracts import EVENTS
from pipelines.contracts.arrow import ARROW_TYPES, schema
from pipelines.contracts.declaration import Column, Contract
from pipelines.tables import StorageError
from pipelines.weeks import to_micros

QUERY = "select seq, event_id, body from posted_events where seq > ? order by seq"


@dataclass(frozen=True)
class PostedEvents:
    """What was posted since a sequence number.

    Attributes:
        first: First sequence number read, 0 when nothing was.
        last: Last one.
        events: Events, in the contract's schema.
        unreadable: Bodies that are no event, in the quarantine's schema, with the reason.
    """

    first: int
    last: int
    events: pa.Table
    unreadable: pa.Table


def quarantine_schema(contract: Contract) -> pa.Schema:
    """Columns of a quarantine file: place in the batch, reason, then everything as text."""
    text = [(name, pa.string()) for name in contract.column_names]
    return pa.schema([("row", pa.int64()), ("reason", pa.string()), *text])


def read_posted(state_file: Path, after: int, learned_at: datetime) -> PostedEvents:
    """Read the events posted after sequence number ``after``.

    Args:
        state_file: The endpoint's SQLite file; not there means that nothing was posted.
        after: Watermark of what landed before.
        learned_at: ``ingested_at`` of events that carry none.

    Raises:
        StorageError: The file cannot be read.
    """
    rows = list(_rows(state_file, after))
    good, bad = [], []
    for place, (_, event_id, body) in enumerate(rows, start=1):
        try:
            good.append(_event(body, learned_at))
        except ValueError as error:
            bad.append({"row": place, "reason": f"unreadable: {error}", "event_id": event_id})
    return PostedEvents(
        first=rows[0][0] if rows else 0,
        last=rows[-1][0] if rows else 0,
        events=pa.Table.from_pylist(good, schema(EVENTS)),
        unreadable=pa.Table.from_pylist(bad, quarantine_schema(EVENTS)),
    )


def _rows(state_file: Path, after: int) -> Iterator[tuple[int, str, str]]:
    if not state_file.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{state_file}?mode=ro", uri=True, timeout=30)) as connection:
            known = connection.execute("select 1 from sqlite_master where name = 'posted_events'").fetchone()
            yield from connection.execute(QUERY, (after,)) if known else ()
    except sqlite3.Error as error:
        raise StorageError(
            f"{state_file}: the event log cannot be read ({error}); restart the endpoint and repeat"
        ) from error


def _event(body: str, learned_at: datetime) -> dict[str, Any]:
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError(f"expected a JSON object, found {type(said).__name__}")
    said = {"ingested_at": learned_at.isoformat()} | {
        name: value for name, value in said.items() if value is not None
    }
    return {column.name: _value(column, said.get(column.name)) for column in EVENTS.columns}


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.type == "timestamp":
        return _moment(column.name, value)
    wanted: tuple[type, ...] = (str,) if column.type == "string" else (int, float)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"column {column.name}: expected {column.type}, found {value!r}")
    return value if value != "" else None


def _moment(name: str, value: Any) -> Any:
    """A moment from ISO 8601 text with a zone, or from microseconds since the epoch."""
    if isinstance(value, int) and not isinstance(value, bool):
        return pa.scalar(value, ARROW_TYPES["timestamp"]).as_py()
    try:
        moment = datetime.fromisoformat(value)
        to_micros(moment)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"column {name}: expected ISO 8601 text with a time zone, found {value!r}") from None
    return moment
