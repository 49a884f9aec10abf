"""Accepted events of two shoppers of the tiny shop."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.serving.tiny_bundle import NOW

MOMENT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW)


def write_events(file: Path, kind: str = "purchase") -> Path:
    """Shopper 1 bought twice, shopper 2 once."""
    rows = [("1", "50", "b2", 7), ("1", "40", "b1", 14), ("1", "50", "b1", 14), ("2", "10", "b3", 1)]
    table = {
        "user_id": [user for user, *_ in rows],
        "item_id": [item for _, item, *_ in rows],
        "basket_id": [basket for _, _, basket, _ in rows],
        "event_type": [kind] * len(rows),
        "occurred_at": [MOMENT - timedelta(days=days) for *_, days in rows],
    }
    pq.write_table(pa.table(table), file)
    return file
