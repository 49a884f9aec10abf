"""A small source for tests: its declaration, and rows as a reader gives them."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.mapping import map_chunk


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
GOOD = {"id": "1", "user": "7", "item": "00123", "order": "o1", "pieces": "2", "total": "4.5"}
GOOD["at"] = "2024-05-01T10:00:00"


def source(
    columns: dict[str, Any] | None = None, zone: str = "Europe/Berlin", **data_set: Any
) -> SourceDeclaration:
    """A source of events, with other ``columns`` than ``BASE`` and with other keys of the data set."""
    return declared("events", {"from": "orders.csv", "columns": BASE | (columns or {}), **data_set}, zone)


def declared(name: str, mapping: dict[str, Any], zone: str = "Europe/Berlin") -> SourceDeclaration:
    """A source of one data set."""
    return SourceDeclaration.model_validate(
        {"name": "shop", "kind": "files", "location": "x", "timezone": zone, "currency": "EUR"}
        | {"data_sets": {name: mapping}}
    )


def mapped(shop: SourceDeclaration, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows like ``GOOD`` with these changes, mapped."""
    return map_chunk(Rows(pa.Table.from_pylist([GOOD | row for row in rows])), shop, "events").to_pylist()


def one(
    columns: dict[str, Any], row: dict[str, Any], zone: str = "Europe/Berlin", **data_set: Any
) -> dict[str, Any]:
    """One row, mapped."""
    return mapped(source(columns, zone, **data_set), row)[0]
