"""Columns that a mapping names: where a row of JSON lacks one, it has no value there."""

import pyarrow as pa
from sqlglot import exp

from pipelines.sources.declaration import DataSetMapping
from pipelines.sources.rules import parse_condition


def named_columns(data_set: DataSetMapping) -> list[str]:
    """Columns of the source that the mapping reads, each once.

    Raises:
        SourceError: ``where`` is no condition.
    """
    names = [name for column in data_set.columns.values() for name in column.source_columns]
    if data_set.rules.cancelled_orders is not None:
        names.append(data_set.rules.cancelled_orders.column)
    if data_set.where is not None:
        names += [column.name for column in parse_condition(data_set.where).find_all(exp.Column)]
    return list(dict.fromkeys(names))


def with_columns(table: pa.Table, names: list[str]) -> pa.Table:
    """``table`` with a column of nulls for each name that none of its rows has.

    Programs leave fields without a value out, and which ones those are differs from chunk to chunk.
    """
    for name in names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table
