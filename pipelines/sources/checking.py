"""What landing a source would come to, found out without landing anything."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from pipelines.contracts import CONTRACTS
from pipelines.contracts.declaration import Contract
from pipelines.contracts.week_rules import freshness_faults, volume_faults
from pipelines.params import ValidateData
from pipelines.sources.declaration import DataSetMapping, SourceDeclaration
from pipelines.sources.errors import nearest
from pipelines.sources.mapping import map_chunk
from pipelines.sources.mapping_words import made_from
from pipelines.sources.readers import Chunk, Reader, open_reader
from pipelines.sources.shop_proposal import FEWEST_WEEKS, ShopProposal, propose_shop
from pipelines.sources.tally import Counts, Reason, Tally
from pipelines.weeks import ShopCalendar

CHUNK_ROWS = 200_000
SAMPLE_ROWS = 10
QUIET_SECONDS = 2.0
NEEDED = ("events", "items")
Say = Callable[[str], None]


@dataclass(frozen=True)
class ColumnFinding:
    """One column of the contract, with an example.

    Attributes:
        name: Its name.
        made_from: How the mapping makes it, in words.
        before: Cells of the source in one row.
        after: What became of them.
    """

    name: str
    made_from: str
    before: str
    after: Any


@dataclass(frozen=True)
class DataSetFinding:
    """What one data set comes to.

    Attributes:
        name: Its name.
        pieces: Files or tables that were read.
        is_limited: Whether only the first rows were read.
        counts: Where its rows would go.
        first: Its first accepted moment, None where rows have none.
        last: Its last one.
        columns: The mapping with examples.
        samples: The first rows that can be read, after mapping.
        quarantined: Why rows would be quarantined.
        set_aside: Which rules of the mapping set rows aside.
        never_found: Keys that the mapping names and no JSON object has.
    """

    name: str
    pieces: list[str]
    is_limited: bool
    counts: Counts
    first: datetime | None
    last: datetime | None
    columns: list[ColumnFinding]
    samples: list[dict[str, Any]]
    quarantined: list[Reason]
    set_aside: list[Reason]
    never_found: list[str]


@dataclass(frozen=True)
class SourceFinding:
    """What a whole source comes to.

    Attributes:
        data_sets: By data set.
        unknown_items: Share of the events about an item that are about one the catalog does not have.
        shop: The block of params.yaml that fits, None without events.
        refusals: Why landing would refuse it; empty when it would not.
        remarks: What a person should look at.
    """

    data_sets: list[DataSetFinding]
    unknown_items: float | None
    shop: ShopProposal | None
    refusals: list[str]
    remarks: list[str]


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
    refusals = [*_row_refusals(found, limits), *_shop_refusals(source, found, unknown, shop, limits)]
    if events and events.last and shop and rows is None:
        refusals += week_refusals(events.weeks, events.last, shop, limits)
    return SourceFinding(found, unknown, shop, refusals, list(_remarks(found, shop)))


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
    pieces, first, seen = reader.pieces(mapping), None, set[str]()
    for chunk in _chunks(reader, mapping, rows):
        mapped = map_chunk(chunk, source, name)
        tally.add(chunk, _as_landed(mapped, now), now)
        if first is None or not first[1].num_rows:
            first = chunk, mapped
        seen.update(chunk.table.column_names)
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
        [f"{column}{nearest(column, seen)}" for column in mapping.source_columns if column not in seen],
    )


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
    value = table[name][row].as_py() if table.num_rows and name in table.column_names else None
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


def _row_refusals(found: list[DataSetFinding], limits: ValidateData) -> Iterator[str]:
    for data_set in found:
        counts, limit = data_set.counts, limits.quarantine_share_limit
        if not counts.rows:
            yield f"{data_set.name}: expected at least one row, found none"
        elif counts.quarantined > limit * counts.rows:
            worst = data_set.quarantined[0]
            yield (
                f"{data_set.name}: {counts.quarantined / counts.rows:.1%} of the rows would be quarantined, at most "
                f"{limit:.1%} may be; most often {worst.reason} ({worst.first}: {worst.example})"
            )
        elif data_set.never_found:
            yield f"{data_set.name}: no object has the key {', '.join(data_set.never_found)}"
        elif not counts.accepted:
            yield f"{data_set.name}: no row is left to be landed"


def _shop_refusals(
    source: SourceDeclaration,
    found: list[DataSetFinding],
    unknown: float | None,
    shop: ShopProposal | None,
    limits: ValidateData,
) -> Iterator[str]:
    for name in NEEDED:
        if name not in source.data_sets:
            yield f"{name}: not mapped; nothing can be learned without {' and '.join(NEEDED)}"
    if any(data_set.is_limited for data_set in found):
        return  # of a part of the rows nobody can say what the whole covers
    if unknown is not None and unknown > limits.unjoined_share_limit:
        yield (
            f"events: {unknown:.1%} are about items that the catalog does not have, at most "
            f"{limits.unjoined_share_limit:.1%} may be; compare item_id in events and items"
        )
    if shop is not None and shop.history_until_week < FEWEST_WEEKS:
        yield f"events: {shop.history_until_week} complete weeks, at least {FEWEST_WEEKS} are needed"


def week_refusals(
    weeks: Mapping[date, int], last: datetime, shop: ShopProposal, limits: ValidateData
) -> list[str]:
    """What the rules over whole weeks say about the complete weeks of a history.

    Args:
        weeks: Events by the Monday of their week.
        last: The newest event.
        shop: How the weeks are counted, and how many are complete.
        limits: What landing tolerates.
    """
    counts = {(monday - shop.first_week).days // 7 + 1: rows for monday, rows in weeks.items()}
    judged = range(1, shop.history_until_week + 1)
    faults = volume_faults(counts, judged, limits.week_volume_share_low, limits.week_volume_share_high)
    ends_at = ShopCalendar(ZoneInfo(shop.timezone), shop.first_week).end(shop.history_until_week)
    if last < ends_at:  # else an event of a later week shows that the export goes beyond this one
        faults += freshness_faults(last, shop.history_until_week, ends_at, limits.freshness_hours_limit)
    return faults


def _remarks(found: list[DataSetFinding], shop: ShopProposal | None) -> Iterator[str]:
    if shop is not None and shop.stray_events:
        yield (
            f"{shop.stray_events:,} events lie long before all others (from "
            f"{min(data_set.first for data_set in found if data_set.name == 'events' and data_set.first):%Y-%m-%d}): "
            "placeholder dates? They would be landed with week 1"
        )


class _Progress:
    """Says how far a check is, at most every ``QUIET_SECONDS``."""

    def __init__(self, say: Say) -> None:
        self._say, self._told = say, time.monotonic()

    def tell(self, name: str, chunk: Chunk) -> None:
        if time.monotonic() - self._told > QUIET_SECONDS:
            self._told = time.monotonic()
            self._say(f"  {name}: {chunk.origin}, {chunk.first_row + chunk.table.num_rows - 1:,} rows read")
