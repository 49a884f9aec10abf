"""Parquet files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers import open_reader
from tests.sources.readers.reading import chunks, rows_of, source

ROWS = [{"id": number, "kind": "ab"[number % 2]} for number in range(1, 11)]


def write(folder, table, **options):
    pq.write_table(table, folder / "orders.parquet", **options)


def numbers():
    table = pa.Table.from_pylist(ROWS)
    return table.set_column(1, "kind", table["kind"].dictionary_encode())


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 100])
def test_parquet__gives_all_rows_and_goes_on_after_any_chunk(tmp_path, rows):
    write(tmp_path, numbers(), row_group_size=4)
    declared = source(tmp_path)

    whole = chunks(declared, tmp_path, rows)

    assert rows_of(whole) == ROWS
    for chunk in whole:
        rest = chunks(declared, tmp_path, rows, after=chunk.position)
        done = chunk.first_row - 1 + chunk.table.num_rows
        assert rows_of(rest) == ROWS[done:]
        assert [part.first_row for part in rest[:1]] == ([done + 1] if done < 10 else [])


def test_parquet__keeps_types_and_decodes_dictionaries(tmp_path):
    write(tmp_path, numbers())

    (chunk,) = chunks(source(tmp_path), tmp_path)

    assert chunk.table.schema.types == [pa.int64(), pa.string()]


def test_parquet__without_rows_gives_its_columns(tmp_path):
    write(tmp_path, numbers().slice(0, 0))

    (chunk,) = chunks(source(tmp_path), tmp_path)

    assert (chunk.table.num_rows, chunk.table.column_names) == (0, ["id", "kind"])


@pytest.mark.parametrize("kept", [0, 3, 100])
def test_parquet__refuses_a_truncated_file_by_name(tmp_path, kept):
    write(tmp_path, numbers())
    path = tmp_path / "orders.parquet"
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(SourceError, match=r"source my_shop: orders\.parquet cannot be read"):
        chunks(source(tmp_path), tmp_path)


def test_parquet__gives_the_good_rows_before_damaged_ones(tmp_path):
    table = pa.table({"id": [f"order {number:08d}" for number in range(20_000)]})
    write(tmp_path, table, row_group_size=10_000, compression="zstd", use_dictionary=False)
    path = tmp_path / "orders.parquet"
    content = bytearray(path.read_bytes())
    place = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[place : place + 2000] = bytes(2000)
    path.write_bytes(content)
    declared, found = source(tmp_path), []
    reader, mapping = open_reader(declared, tmp_path), declared.data_sets["events"]
    (piece,) = reader.pieces(mapping)

    reading = reader.read(mapping, piece, None, 1000)
    with pytest.raises(SourceError, match=r"orders\.parquet cannot be read"):
        found.extend(chunk.table.num_rows for chunk in reading)

    assert sum(found) == 10_000
