"""Bringing rows of one version of a contract to the next."""

from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.contracts.arrow import ARROW_TYPES
from pipelines.contracts.declaration import ContractError
from pipelines.contracts.shapes import ColumnShape, Shape, changes, renamed

SQL_TYPES = {"string": "VARCHAR", "float64": "DOUBLE", "bool": "BOOLEAN", "timestamp": "TIMESTAMPTZ"}


def widened(table: pa.Table, newer: Shape) -> pa.Table:
    """``table`` with the columns that ``newer`` adds, null in every row."""
    for column in newer.columns:
        if column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(table.num_rows, ARROW_TYPES[column.type]))
    return table


def migrated(table: pa.Table, path: Path) -> pa.Table:
    """Rows of the next version, made by the query in ``path``.

    Raises:
        ContractError: DuckDB refuses the query, or it gives more or fewer rows.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("accepted", table)
        try:
            made = connection.sql(path.read_text()).to_arrow_table()
        except duckdb.Error as error:
            raise ContractError(f"{path} is refused by DuckDB: {error}; correct the migration") from error
    if made.num_rows != table.num_rows:
        raise ContractError(
            f"{path}: expected {table.num_rows:,} rows, as many as were accepted, found {made.num_rows:,}; a "
            "migration neither drops nor makes rows"
        )
    return made


def skeleton(name: str, older: Shape, newer: Shape) -> str:
    """The migration to be written, as far as the two shapes say it; ``TODO`` is left to a person."""
    before, back = older.by_name(), {new: old for old, new in renamed(older, newer).items()}
    lines = [
        f"    {_source(column, before.get(back.get(column.name, column.name)))}" for column in newer.columns
    ]
    gone = [f"-- {change.words}" for change in changes(older, newer)]
    head = [f"-- {name}: rows of version {older.version} as rows of version {newer.version}", *gone, "SELECT"]
    return "\n".join([*head, ",\n".join(lines), "FROM accepted"]) + "\n"


def _source(column: ColumnShape, old: ColumnShape | None) -> str:
    """What gives one column of the newer version."""
    name, sql_type = column.name, SQL_TYPES[column.type]
    if old is None:
        return f"CAST({'NULL' if column.nullable else 'TODO'} AS {sql_type}) AS {name}"
    value = old.name if old.type == column.type else f"CAST({old.name} AS {sql_type})"
    if old.nullable and not column.nullable:
        value = f"COALESCE({value}, TODO)"
    return name if value == name else f"{value} AS {name}"
