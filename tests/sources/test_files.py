"""Files in the contract's own columns."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.contracts import EVENTS, ITEMS
from pipelines.contracts.declaration import ContractError
from pipelines.contracts.samples import sample_rows
from pipelines.sources.files import read_file
from pipelines.tables import StorageError

NOW = datetime(2017, 10, 30, 4, tzinfo=UTC)
HEADER = "event_id,event_type,user_id,item_id,quantity,occurred_at\n"


def test_read_file__sets_the_moment_of_learning(tmp_path: Path) -> None:
    """A late row must not pretend that it was known earlier."""
    pq.write_table(sample_rows(EVENTS, 2), tmp_path / "late.parquet")
    assert read_file(tmp_path / "late.parquet", EVENTS, NOW)["ingested_at"].to_pylist() == [NOW, NOW]


def test_read_file__reads_csv(tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    path.write_text(
        HEADER + "00123,purchase,7,x,2.5,2017-10-01T10:00:00+02:00\nb,search,7,,,2017-10-01T10:00:00Z\n"
    )
    first, second = read_file(path, EVENTS, NOW).to_pylist()
    assert (first["event_id"], first["quantity"]) == ("00123", 2.5)
    assert first["occurred_at"] == datetime(2017, 10, 1, 8, tzinfo=UTC)
    assert (second["item_id"], second["quantity"], second["store_id"]) == (None, None, None)


def test_read_file__names_row_and_column_of_bad_csv(tmp_path: Path) -> None:
    path = tmp_path / "week.csv"
    path.write_text(HEADER + "a,purchase,7,x,1,2017-10-01T10:00:00Z\nb,purchase,7,x,1,yesterday\n")
    with pytest.raises(
        ContractError, match=r"week.csv: row 2, column occurred_at: expected .*found 'yesterday'"
    ):
        read_file(path, EVENTS, NOW)


def test_read_file__names_a_broken_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "week.parquet"
    pq.write_table(sample_rows(EVENTS, 50), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StorageError, match=r"week.parquet: expected a readable Parquet file, found .*again"):
        read_file(path, EVENTS, NOW)


@pytest.mark.parametrize("content", ["", HEADER])
def test_read_file__refuses_a_file_without_rows(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(content)
    with pytest.raises((ContractError, StorageError), match=r"empty.csv: expected .* land it"):
        read_file(path, EVENTS, NOW)


def test_read_file__refuses_another_format(tmp_path: Path) -> None:
    path = tmp_path / "week.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(StorageError, match=r"expected a .parquet or .csv file, found .xlsx"):
        read_file(path, EVENTS, NOW)


def test_read_file__reads_reference_data(tmp_path: Path) -> None:
    pq.write_table(sample_rows(ITEMS, 3), tmp_path / "items.parquet")
    assert read_file(tmp_path / "items.parquet", ITEMS, NOW).equals(sample_rows(ITEMS, 3))
