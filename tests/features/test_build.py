"""What a view is shown: corrections that are known at the moment replace what they correct."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.features.build import load_known
from tests.features.test_views import AT, MICROS, WEEK_US, moment, shop

WEEK = 41


def shown(folder: Path, rows: list[tuple[str, float, float, str | None]], from_week: int = 1) -> list[str]:
    """Ids shown to a view; rows are (event_id, occurred and ingested weeks before the moment, corrects)."""
    _, items = shop(folder, [("ann", "b1", "milk", 1)])
    occurred = [AT - int(row[1] * WEEK_US) for row in rows]
    table = pa.table(
        {
            "event_id": [row[0] for row in rows],
            "user_id": ["ann"] * len(rows),
            "week": [us // WEEK_US + 1 for us in occurred],
            "occurred_at": pa.array([moment(us) for us in occurred], MICROS),
            "ingested_at": pa.array([moment(AT - int(row[2] * WEEK_US)) for row in rows], MICROS),
            "corrects": pa.array([row[3] for row in rows], pa.string()),
        }
    )
    pq.write_table(table, folder / "events.parquet")
    with duckdb.connect() as database:
        load_known(database, folder / "events.parquet", items, AT, WEEK, from_week)
        return [row[0] for row in database.execute("SELECT event_id FROM known_events ORDER BY 1").fetchall()]


def test_load_known__a_correction_replaces_the_event_once_it_is_known(tmp_path: Path) -> None:
    rows = [("first", 3, 3, None), ("second", 3, 1, "first"), ("other", 3, 3, None)]
    assert shown(tmp_path, rows) == ["other", "second"]
    rows[1] = ("second", 3, -1, "first")
    assert shown(tmp_path, rows) == ["first", "other"]


def test_load_known__a_correction_can_be_corrected(tmp_path: Path) -> None:
    rows = [("first", 3, 3, None), ("second", 3, 2, "first"), ("third", 3, 1, "second")]
    assert shown(tmp_path, rows) == ["third"]


def test_load_known__a_correction_may_move_an_event_to_before_what_is_learned_from(tmp_path: Path) -> None:
    rows = [("first", 3, 3, None), ("second", 9, 1, "first"), ("other", 3, 3, None)]
    assert shown(tmp_path, rows, from_week=36) == ["other"]
