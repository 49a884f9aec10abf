"""Columns that a mapping names: where a row of JSON lacks one, it has no value there."""

import pyarrow as pa
from sqlglot import exp

from pipelines.sources.declaration import DataSetMapping
from pipelines.sources.rules import parse_condition


def named_columns(data_set: DataSetMapping) -> list[str]:
    """All columns of the source that the mapping reads.

    Raises:
        SourceError: ``where`` is no condition.
    """
    if data_set.where is None:
        return list(data_set.source_columns)
    condition = parse_condition(data_set.where).find_all(exp.Column)
    return [*data_set.source_columns, *(column.name for column in condition)]


def with_columns(table: pa.Table, names: list[str]) -> pa.Table:
    """``table`` with a column of nulls for each name that none of its rows has.

    Programs leave fields without a value out, and which ones those are differs from chunk to chunk.
    """
    for name in names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table
