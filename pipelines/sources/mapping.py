"""A source's own rows become rows of a contract, chunk by chunk."""

import re
from collections.abc import Iterable
from typing import Protocol

import duckdb
import pyarrow as pa

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema_with_provenance
from pipelines.contracts.declaration import Column, Contract
from pipelines.sources import amounts, expressions, moments
from pipelines.sources.declaration import DataSetMapping, SourceDeclaration
from pipelines.sources.errors import SourceError
from pipelines.sources.expressions import Expression, expression
from pipelines.sources.rules import declared_after, declared_before, rewritten
from pipelines.sources.source_cells import MappingError, SourceCells, quoted

ROW = "source_row"
SOURCE_FAULT = "fault"
SQL_NAME = re.compile(r"\bsource column c(\d+)\b")
SQL_TYPES = {"string": "varchar", "float64": "double", "bool": "boolean"}


class SourceChunk(Protocol):
    """Rows as a reader gives them; see ``pipelines.sources.readers.Chunk``."""

    @property
    def table(self) -> pa.Table:
        """The source's own columns, and the column ``fault`` where the reader found rows unreadable."""

    @property
    def origin(self) -> str:
        """The file or table, for people."""

    @property
    def first_row(self) -> int:
        """Number of the first row in it."""


def map_chunk(chunk: SourceChunk, source: SourceDeclaration, data_set: str) -> pa.Table:
    """Bring ``chunk`` to the contract of ``data_set``, row by row and in order.

    Args:
        chunk: Rows of the source; a column ``fault`` holds what the reader could not read.
        source: Its declaration.
        data_set: Which of its data sets.

    Returns:
        As many rows, in the contract's schema with provenance. A row that cannot be read, or that a rule sets
        aside, has its ``fault`` (reasons joined by "; ") and its ``original``, the source's row as JSON.

    Raises:
        SourceError: The source lacks a column that the mapping names, or ``where`` cannot be evaluated.
    """
    mapping, contract = source.data_sets[data_set], CONTRACTS[data_set]
    table, cells = _numbered(chunk, mapping)
    try:
        query = _query(contract, mapping, cells, source.timezone, chunk.origin)
    except (MappingError, SourceError) as error:
        raise SourceError(_in(source, data_set, chunk, error)) from None
    try:
        return _run(query, table).cast(schema_with_provenance(contract))
    except duckdb.Error as error:
        # Only `where` can fail on a value: everything else that cannot be read becomes a fault of its row.
        said = SQL_NAME.sub(
            lambda name: f"column {list(cells.types)[int(name[1])]}", str(error).splitlines()[0]
        )
        raise SourceError(_in(source, data_set, chunk, f"where: {said}; use try_cast there")) from None


def _in(source: SourceDeclaration, data_set: str, chunk: SourceChunk, error: object) -> str:
    why = " ".join(str(error).split())
    return f"source {source.name}: {chunk.origin}: {data_set}: {why}; correct sources/{source.name}.yaml"


def _numbered(chunk: SourceChunk, mapping: DataSetMapping) -> tuple[pa.Table, SourceCells]:
    """The chunk with positional column names and row numbers, and what its cells are."""
    fault = chunk.table.column(SOURCE_FAULT) if SOURCE_FAULT in chunk.table.column_names else None
    own = chunk.table.drop_columns([SOURCE_FAULT]) if fault is not None else chunk.table
    arrays = [_plain(own.column(number)) for number in range(own.num_columns)]
    names = [f"c{number}" for number in range(own.num_columns)]
    rows = pa.array(range(chunk.first_row, chunk.first_row + own.num_rows), pa.int64())
    faults = fault if fault is not None else pa.nulls(own.num_rows, pa.string())
    cells = SourceCells(
        dict(zip(own.column_names, (array.type for array in arrays), strict=True)), mapping.missing
    )
    return pa.table([*arrays, rows, faults], names=[*names, ROW, "source_fault"]), cells


def _plain(array: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(array.type):
        return array.cast(array.type.value_type)
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _query(contract: Contract, mapping: DataSetMapping, cells: SourceCells, zone: str, origin: str) -> str:
    made = {column.name: _made(column, mapping, cells, zone) for column in contract.columns}
    count = max(len(column.steps) for column in made.values())
    steps = [
        _steps(part for column in made.values() for part in column.step(number)) for number in range(count)
    ]
    chain = ", ".join(
        f"step_{number} as (select *{new} from step_{number - 1})" for number, new in enumerate(steps, 1)
    )
    values = _steps((column.name, _cast(made[column.name].value, column)) for column in contract.columns)
    faults = ", ".join(column.fault for column in made.values())
    changes = {name: name for name in contract.column_names} | rewritten(mapping)
    final = ", ".join(f"{sql} as {name}" for name, sql in changes.items())
    return f"""
        with step_0 as (from chunk), {chain},
        contract_values as (select *{values} from step_{count}),
        judged as (
            select *, coalesce(source_fault, {declared_before(mapping, cells)},
                nullif(concat_ws('; ', {faults}), ''), {declared_after(mapping)}) as row_fault
            from contract_values
        )
        select {final}, row_fault as fault, {quoted(origin + ", row ")} || {ROW} as origin,
            case when row_fault is not null then {cells.original()} end as original
        from judged order by {ROW}"""


def _steps(parts: Iterable[tuple[str, str]]) -> str:
    return "".join(f", {sql} as {name}" for name, sql in parts)


def _made(column: Column, mapping: DataSetMapping, cells: SourceCells, zone: str) -> Expression:
    try:
        return expression(column, mapping.columns.get(column.name), cells, zone)
    except MappingError as error:
        raise MappingError(f"{column.name}: {error}") from None


def _cast(value: str, column: Column) -> str:
    if column.type == "timestamp":
        return f"timezone('UTC', cast({value} as timestamp))"
    return f"cast({value} as {SQL_TYPES[column.type]})"


def _run(query: str, table: pa.Table) -> pa.Table:
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        connection.execute(expressions.MACROS + amounts.MACROS + moments.MACROS)
        connection.register("chunk", table)
        return connection.sql(query).to_arrow_table()
