"""Whether two systems wrote the same views."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.features.views import read_view

RELATIVE = 1e-9


class DifferentError(Exception):
    """Two files of one view differ; the message names the view, the column and the first row."""


def check_equal(names: tuple[str, ...], ours: Path, theirs: Path) -> None:
    """Compare the views of two folders: keys, texts, integers and booleans exactly, floats within 1e-9 relative.

    Raises:
        DifferentError: They are not the same.
    """
    for name in names:
        key = read_view(name).key
        first, second = (_read(folder / f"{name}.parquet", key) for folder in (ours, theirs))
        if first.num_rows != second.num_rows or set(first.column_names) != set(second.column_names):
            shapes = [(table.num_rows, sorted(table.column_names)) for table in (first, second)]
            raise DifferentError(f"{name}: {shapes[0]} in {ours} but {shapes[1]} in {theirs}")
        for column in (*key, *sorted(set(first.column_names) - set(key))):
            _check_column(f"{name}.{column}", first[column], second[column])


def _read(path: Path, key: tuple[str, ...]) -> pa.Table:
    table = pq.read_table(path)
    for number, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type) or pa.types.is_large_string(column.type):
            table = table.set_column(number, column.name, table[column.name].cast(pa.string()))
    return table.sort_by([(column, "ascending") for column in key])


def _check_column(name: str, ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> None:
    if pa.types.is_floating(ours.type):
        same = _close(ours, theirs)
    else:
        same = pc.fill_null(pc.equal(ours, theirs.cast(ours.type)), False)
        same = np.asarray(pc.or_(same, pc.and_(pc.is_null(ours), pc.is_null(theirs))))
    if not same.all():
        row = int(np.flatnonzero(~same)[0])
        found = f"{ours[row].as_py()!r} and {theirs[row].as_py()!r}"
        raise DifferentError(
            f"{name}: {np.count_nonzero(~same)} rows differ, the first of them {row}: {found}"
        )


def _close(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> np.ndarray:
    first, second = (np.asarray(pc.fill_null(side.cast(pa.float64()), np.nan)) for side in (ours, theirs))
    return np.isclose(first, second, rtol=RELATIVE, atol=0, equal_nan=True)
