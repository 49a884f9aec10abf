"""Parquet, batch by batch."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.readers.pieces import Chunk, distinct

BUFFER_BYTES = 1 << 20  # read ahead of each column: without it a column of a row group is held as a whole


def read_parquet(file: pa.NativeFile, name: str, after: Any | None, rows: int) -> Iterator[Chunk]:
    """Rows of a Parquet file.

    Args:
        file: Open at its beginning.
        name: For people.
        after: Position of the last chunk dealt with.
        rows: The most that a chunk may hold.

    Raises:
        pyarrow.ArrowException: The file is damaged.
        OSError: It cannot be read.
    """
    parquet = pq.ParquetFile(file, buffer_size=BUFFER_BYTES)
    done = after["rows"] if after else 0
    groups, row = _groups_after(parquet.metadata, done)
    for batch in parquet.iter_batches(batch_size=rows, row_groups=groups):
        skip = min(max(done - row, 0), batch.num_rows)
        row += batch.num_rows
        if skip < batch.num_rows:
            table = _plain(pa.Table.from_batches([batch.slice(skip)]))
            yield Chunk(table, name, row - table.num_rows + 1, {"rows": row})
    if after is None and parquet.metadata.num_rows == 0:
        yield Chunk(_plain(parquet.schema_arrow.empty_table()), name, 1, {"rows": 0})


def _groups_after(metadata: pq.FileMetaData, done: int) -> tuple[list[int], int]:
    """Row groups that hold rows after the first ``done``, and how many rows lie before them."""
    before, groups = 0, list(range(metadata.num_row_groups))
    while groups and before + metadata.row_group(groups[0]).num_rows <= done:
        before += metadata.row_group(groups.pop(0)).num_rows
    return groups, before


def _plain(table: pa.Table) -> pa.Table:
    """Columns with names of their own and dictionaries decoded: a dictionary may change from chunk to chunk."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=distinct(table.column_names))
