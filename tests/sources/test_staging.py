"""Staged parts: what is kept when reading is interrupted, repeated, or finds another content."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.sources.staging import Staging
from pipelines.tables import StorageError, read_table, write_table


def rows(*ids: str, at: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> pa.Table:
    moments = pa.array([at] * len(ids), pa.timestamp("us", tz="UTC"))
    return pa.table({"event_id": list(ids), "occurred_at": moments})


def ids(staging: Staging, data_set: str = "events") -> list[str]:
    return [
        name
        for part in staging.parts(data_set)
        for name in read_table(staging.path(part))["event_id"].to_pylist()
    ]


def stage(staging: Staging, piece: str, fingerprint: str, *chunks: pa.Table, finish: bool = True) -> None:
    staging.begin("events", piece, fingerprint)
    for number, chunk in enumerate(chunks, start=1):
        staging.add("events", piece, chunk, number)
    if finish:
        staging.finish("events", piece)


def test_staging__goes_on_in_another_process_after_the_last_part(tmp_path: Path) -> None:
    stage(Staging(tmp_path), "a.csv", "f1", rows("1"), rows("2"), finish=False)

    again = Staging(tmp_path)
    progress = again.begin("events", "a.csv", "f1")

    assert (progress.position, progress.rows, progress.finished) == (2, 2, False)
    again.add("events", "a.csv", rows("3"), 3)
    again.finish("events", "a.csv")
    assert ids(again) == ["1", "2", "3"]
    assert Staging(tmp_path).begin("events", "a.csv", "f1").finished


def test_staging__a_changed_file_replaces_its_parts_only_once_it_was_read_to_the_end(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    stage(staging, "a.csv", "f1", rows("old"))
    stage(staging, "b.csv", "g1", rows("other"))
    stage(staging, "a.csv", "f2", rows("new 1"), finish=False)
    assert ids(Staging(tmp_path)) == ["old", "other"], "half of a file says nothing"

    stage(staging, "a.csv", "f3", rows("newer 1"), rows("newer 2"))

    assert ids(Staging(tmp_path)) == ["other", "newer 1", "newer 2"]
    assert sorted(path.name for path in (tmp_path / "events").iterdir()) == [
        "000002.parquet", "000004.parquet", "000005.parquet"
    ]  # fmt: skip


def test_staging__a_file_that_gets_its_old_content_back_is_read_again(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    stage(staging, "a.csv", "f1", rows("1"))
    stage(staging, "a.csv", "f2", rows("2"), finish=False)

    assert not staging.begin("events", "a.csv", "f1").finished
    assert ids(staging) == ["1"]


def test_staging__a_part_without_its_entry_counts_for_nothing(tmp_path: Path) -> None:
    """A kill between the two files."""
    staging = Staging(tmp_path)
    stage(staging, "a.csv", "f1", rows("1"), finish=False)
    write_table(tmp_path / "events" / "000002.parquet", rows("ghost"))

    again = Staging(tmp_path)
    again.begin("events", "a.csv", "f1")
    again.add("events", "a.csv", rows("2"), 2)
    again.finish("events", "a.csv")

    assert ids(again) == ["1", "2"]


def test_staging__numbers_go_on_over_data_sets_and_pieces(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    stage(staging, "a.csv", "f1", rows("1"))
    staging.begin("items", "a.csv", "f1")
    staging.add("items", "a.csv", pa.table({"item_id": ["i"]}), 1)
    staging.finish("items", "a.csv")
    stage(staging, "b.csv", "f1", rows("2"))

    assert [(part.number, part.data_set) for part in staging.parts_after(1)] == [(2, "items"), (3, "events")]
    assert staging.last == 3


def test_staging__knows_the_span_of_a_part(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC)
    stage(staging, "a.csv", "f1", pa.concat_tables([rows("2", at=late), rows("1", at=early)]))
    (part,) = staging.parts("events")
    assert (part.first_us, part.last_us) == (1_704_067_200_000_000, 1_704_067_201_000_000)


def test_staging__names_a_broken_list_of_parts(tmp_path: Path) -> None:
    (tmp_path / "parts.json").write_text("{")
    with pytest.raises(StorageError, match=r"parts\.json"):
        Staging(tmp_path)
