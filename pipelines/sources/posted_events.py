"""Events that shoppers' clients posted to the endpoint, read from its event log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipelines.contracts import EVENTS
from pipelines.contracts.arrow import ARROW_TYPES, schema_with_provenance
from pipelines.contracts.declaration import Column
from pipelines.tables import StorageError
from pipelines.weeks import to_micros
from serving.state import ShopperState, StateError

TOGETHER = 5000
SHOWN = 100  # characters of a value in a reason


@dataclass(frozen=True)
class PostedEvents:
    """What was posted since a sequence number.

    Attributes:
        first: First sequence number read, 0 when nothing was.
        last: Last one.
        numbers: Of each row of ``events``.
        events: A row per body, in the contract's schema and ``PROVENANCE``. A body that is no event has a fault,
            what of it could be read, and the body itself as ``original``.
    """

    first: int
    last: int
    numbers: tuple[int, ...]
    events: pa.Table


def read_posted(state: ShopperState, after: int, learned_at: datetime) -> PostedEvents:
    """Read the events posted after sequence number ``after``.

    Args:
        state: The endpoint's.
        after: Watermark of what landed before.
        learned_at: ``ingested_at`` of events that carry none.

    Raises:
        StorageError: It cannot be read.
    """
    rows = list(_rows(state, after))
    return PostedEvents(
        first=rows[0][0] if rows else 0,
        last=rows[-1][0] if rows else 0,
        numbers=tuple(row[0] for row in rows),
        events=pa.Table.from_pylist(
            [_event(*row, learned_at) for row in rows], schema_with_provenance(EVENTS)
        ),
    )


def _rows(state: ShopperState, after: int) -> Iterator[tuple[int, str, str]]:
    try:
        while rows := state.posted(after, TOGETHER):
            yield from ((row.seq, row.event_id, row.body) for row in rows)
            after = rows[-1].seq
    except StateError as error:
        raise StorageError(f"{error}; restart the endpoint and repeat") from error


def _event(seq: int, event_id: str, body: str, learned_at: datetime) -> dict[str, Any]:
    """A row of the contract, with a fault for whatever in ``body`` cannot be read."""
    row: dict[str, Any] = {"origin": f"posted event {seq}"}
    faults = []
    said = {"ingested_at": learned_at.isoformat()}
    try:
        said |= {name: value for name, value in _said(body).items() if value is not None}
    except ValueError as error:
        said["event_id"] = event_id
        faults.append(f"unreadable: body: {error}")
    for column in EVENTS.columns:
        try:
            row[column.name] = _value(column, said.get(column.name))
        except ValueError as error:
            faults.append(f"unreadable: {error}")
    if faults:
        row |= {"fault": "; ".join(faults), "original": body}
    return row


def _said(body: str) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON, found {_found(body)} ({error})") from None
    if not isinstance(said, dict):
        raise ValueError(f"expected a JSON object, found {type(said).__name__}")
    return said


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.type == "timestamp":
        return _moment(column.name, value)
    if column.type == "string" and isinstance(value, str):
        return _text(column.name, value)
    if column.type == "string" or isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{column.name}: expected {column.type}, found {_found(value)}")
    return _number(column.name, value)


def _text(name: str, value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: expected Unicode text, found {_found(value)}") from None
    return value or None


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name}: expected float64, found {_found(value)}") from None


def _moment(name: str, value: Any) -> Any:
    """A moment from ISO 8601 text with a zone, or from microseconds since the epoch."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return pa.scalar(value, ARROW_TYPES["timestamp"]).as_py()
        moment = datetime.fromisoformat(value)
        to_micros(moment)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: expected ISO 8601 text with a time zone, found {_found(value)}") from None
    return moment


def _found(value: Any) -> str:
    """What was found, short: the whole body is kept beside it."""
    said = repr(value)
    return said if len(said) <= SHOWN else f"{said[:SHOWN]}…"
