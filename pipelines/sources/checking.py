"""What landing a source would come to, found out without landing anything."""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CONTRACTS
from pipelines.contracts.declaration import Contract
from pipelines.params import ValidateData
from pipelines.sources.declaration import DataSetMapping, SourceDeclaration
from pipelines.sources.errors import nearest
from pipelines.sources.findings import ColumnFinding, DataSetFinding, SourceFinding
from pipelines.sources.mapping import map_chunk
from pipelines.sources.mapping_words import made_from
from pipelines.sources.readers import Chunk, Reader, open_reader
from pipelines.sources.refusals import NEEDED, remarks, row_refusals, shop_refusals, week_refusals
from pipelines.sources.shop_proposal import propose_shop
from pipelines.sources.tally import Tally

CHUNK_ROWS = 200_000
SAMPLE_ROWS = 10
QUIET_SECONDS = 2.0
Say = Callable[[str], None]


def check_source(
    source: SourceDeclaration,
    checkout: Path,
    limits: ValidateData,
    now: datetime,
    say: Say,
    rows: int | None = None,
) -> SourceFinding:
    """Read, map and sift a source, and count.

    Args:
        source: Its declaration.
        checkout: Where relative locations begin.
        limits: What landing tolerates.
        now: The present; later moments are in the future.
        say: Told how far it is, when it takes longer than ``QUIET_SECONDS``.
        rows: At most so many rows of each data set.

    Raises:
        SourceError: It cannot be read, or lacks a column that the mapping names.
    """
    reader = open_reader(source, checkout, say)
    with tempfile.TemporaryDirectory(prefix="shoploop-check-") as folder:
        tallies = {name: _tally(source, name, Path(folder)) for name in source.data_sets}
        progress = _Progress(say)
        found = [
            _check_data_set(source, name, reader, tallies[name], now, progress, rows) for name in tallies
        ]
        unknown = _unknown_items(tallies) if {*NEEDED} <= set(tallies) else None
        events = tallies.get("events")
        shop = propose_shop(source, events.weeks, events.last) if events and events.last else None
    refusals = [*row_refusals(found, limits), *shop_refusals(source, found, unknown, shop, limits)]
    if events and events.last and shop and rows is None:
        refusals += week_refusals(events.weeks, events.last, shop, limits)
    return SourceFinding(found, unknown, shop, refusals, list(remarks(found, shop)))


def _tally(source: SourceDeclaration, name: str, folder: Path) -> Tally:
    mapping = source.data_sets[name]
    return Tally(CONTRACTS[name], source.timezone, folder, mapping.keep_first or mapping.keep_last)


def _check_data_set(
    source: SourceDeclaration,
    name: str,
    reader: Reader,
    tally: Tally,
    now: datetime,
    progress: "_Progress",
    rows: int | None,
) -> DataSetFinding:
    mapping, contract = source.data_sets[name], CONTRACTS[name]
    names: list[str] = []
    pieces, first, empty = reader.pieces(mapping), None, set(mapping.source_columns)
    for chunk in _chunks(reader, mapping, rows):
        mapped = map_chunk(chunk, source, name)
        tally.add(chunk, _as_landed(mapped, now), now)
        if first is None or not first[1].num_rows:
            first = chunk, mapped
        empty -= {name for name in empty if _holds_something(chunk.table[name])}
        names = chunk.table.column_names
        progress.tell(name, chunk)
    counts, reasons = tally.counts(), tally.reasons()
    return DataSetFinding(
        name,
        [piece.name for piece in pieces],
        rows is not None and counts.rows >= rows,
        counts,
        tally.first,
        tally.last,
        _columns(contract, mapping, *first) if first else [],
        _samples(contract, first[1]) if first else [],
        [reason for reason in reasons if not reason.reason.startswith("declared: ")],
        [reason for reason in reasons if reason.reason.startswith("declared: ")],
        [f"{name}{nearest(name, set(names) - {name})}" for name in mapping.source_columns if name in empty],
    )


def _holds_something(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_string(column.type):
        return bool(column.null_count < len(column))
    return bool(pc.any(pc.not_equal(column, "")).as_py())


def _chunks(reader: Reader, mapping: DataSetMapping, limit: int | None) -> Iterator[Chunk]:
    left = limit
    for piece in reader.pieces(mapping):
        if left is not None and left <= 0:
            return
        for chunk in reader.read(mapping, piece, None, min(CHUNK_ROWS, left or CHUNK_ROWS)):
            yield chunk
            if left is not None:
                left -= chunk.table.num_rows
                if left <= 0:
                    break


def _as_landed(mapped: pa.Table, now: datetime) -> pa.Table:
    """Landing says when a row became known where the source does not; any moment not before it will do here."""
    if "ingested_at" not in mapped.column_names:
        return mapped
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("mapped", mapped)
        known = "coalesce(ingested_at, occurred_at, $now::timestamptz) as ingested_at"
        filled = connection.sql(f"select * replace ({known}) from mapped", params={"now": now})
        return filled.to_arrow_table().cast(mapped.schema)


def _columns(
    contract: Contract, mapping: DataSetMapping, chunk: Chunk, mapped: pa.Table
) -> list[ColumnFinding]:
    row = next((place for place, fault in enumerate(mapped["fault"]) if not fault.is_valid), 0)
    findings = []
    for name in (name for name in contract.column_names if name in mapping.columns):
        column = mapping.columns[name]
        before = [_cell(chunk.table, part, row) for part in column.source_columns]
        after = mapped[name][row].as_py() if mapped.num_rows else None
        findings.append(ColumnFinding(name, made_from(column), " | ".join(before), after))
    return findings


def _cell(table: pa.Table, name: str, row: int) -> str:
    value = table[name][row].as_py() if table.num_rows else None
    return "" if value is None else str(value)


def _samples(contract: Contract, mapped: pa.Table) -> list[dict[str, Any]]:
    fine = mapped.filter(mapped["fault"].is_null()).slice(0, SAMPLE_ROWS)
    return list(fine.select(contract.column_names).to_pylist())


def _unknown_items(tallies: dict[str, Tally]) -> float | None:
    """Share of the events about an item; those about none cannot be about an unknown one."""
    with duckdb.connect() as connection:
        for name in NEEDED:
            connection.register(name, tallies[name].items())
        unknown = "sum(events) filter (item_id not in (select item_id from items))"
        query = f"select coalesce({unknown}, 0) / nullif(sum(events), 0) from events"
        share = connection.execute(query).fetchall()[0][0]
    return None if share is None else float(share)


class _Progress:
    """Says how far a check is, at most every ``QUIET_SECONDS``."""

    def __init__(self, say: Say) -> None:
        self._say, self._told = say, time.monotonic()

    def tell(self, name: str, chunk: Chunk) -> None:
        if time.monotonic() - self._told > QUIET_SECONDS:
            self._told = time.monotonic()
            self._say(f"  {name}: {chunk.origin}, {chunk.first_row + chunk.table.num_rows - 1:,} rows read")
