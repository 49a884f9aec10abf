"""From a source's rows to a contract's: values, faults and rules, worked out by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipelines.contracts import EVENTS
from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.mapping import PROVENANCE, map_chunk, mapped_schema


@dataclass(frozen=True)
class Rows:
    """A chunk as a reader gives it."""

    table: pa.Table
    origin: str = "orders.csv"
    first_row: int = 1


BASE = {
    "event_id": "id",
    "event_type": {"value": "purchase"},
    "user_id": "user",
    "item_id": "item",
    "basket_id": "order",
    "quantity": "pieces",
    "value": "total",
    "occurred_at": "at",
}
GOOD = {
    "id": "1",
    "user": "7",
    "item": "00123",
    "order": "o1",
    "pieces": "2",
    "total": "4.5",
    "at": "2024-05-01T10:00:00",
}


def source(
    columns: dict[str, Any] | None = None, zone: str = "Europe/Berlin", **data_set: Any
) -> SourceDeclaration:
    events = {"from": "orders.csv", "columns": BASE | (columns or {}), **data_set}
    return SourceDeclaration.model_validate(
        {"name": "shop", "kind": "files", "location": "x", "timezone": zone, "currency": "EUR"}
        | {"data_sets": {"events": events}}
    )


def mapped(declared: SourceDeclaration, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist([GOOD | row for row in rows])
    return map_chunk(Rows(table), declared, "events").to_pylist()


def one(
    columns: dict[str, Any], row: dict[str, Any], zone: str = "Europe/Berlin", **data_set: Any
) -> dict[str, Any]:
    return mapped(source(columns, zone, **data_set), row)[0]


def test_map_chunk__gives_the_contracts_rows_in_order() -> None:
    table = pa.Table.from_pylist([GOOD, GOOD | {"id": "2", "user": None, "pieces": ""}])
    result = map_chunk(Rows(table, first_row=501), source(), "events")
    assert result.schema == mapped_schema(EVENTS)
    first, second = result.to_pylist()
    assert {name: first[name] for name in ("event_id", "event_type", "user_id", "item_id", "quantity", "value")} == {
        "event_id": "1", "event_type": "purchase", "user_id": "7", "item_id": "00123", "quantity": 2.0, "value": 4.5,
    }  # fmt: skip
    assert first["occurred_at"] == datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert first["ingested_at"] is None
    assert [first[name] for name in PROVENANCE] == [None, "orders.csv, row 501", None]
    assert (second["user_id"], second["quantity"], second["fault"]) == (None, None, None)
    assert second["origin"] == "orders.csv, row 502"
