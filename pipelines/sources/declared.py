"""A shop's own data as ``sources/NAME.yaml`` declares them, by range of shop weeks."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from pipelines.contracts import APPENDED, CONTRACTS, REFERENCE
from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.files import known_from
from pipelines.sources.mapping import map_chunk
from pipelines.sources.readers import Piece, Reader, open_reader
from pipelines.sources.shop_source import Say, Tables
from pipelines.sources.staged_rows import StagedRows, last_of_each, mark_repeated
from pipelines.sources.staging import Part, Staging
from pipelines.weeks import ShopCalendar

CHUNK_ROWS = 200_000  # in memory at a time while a source is read
SAY_EVERY = 2.0  # seconds


@dataclass(frozen=True)
class DeclaredSource:
    """Reads what a declaration describes into a staging folder, and hands it out by week.

    Attributes:
        declaration: What is read and how it is mapped.
        calendar: The shop's weeks.
        checkout: Relative locations count from here.
        staging: The parts read so far.
        rows_per_batch: Ranges of weeks are cut so that they hold about so many events.
    """

    declaration: SourceDeclaration
    calendar: ShopCalendar
    checkout: Path
    staging: Staging
    rows_per_batch: int

    @property
    def name(self) -> str:
        """The declaration's name."""
        return self.declaration.name

    @property
    def through(self) -> int:
        """Number of the last part."""
        return self.staging.last

    @property
    def last_week(self) -> int:
        """The last week that is over: the declaration says so, or an event of a later week is there."""
        until = self.declaration.complete_until
        after = self.calendar.midnight(until + timedelta(days=1)) if until else self._rows.newest()
        return max(self.calendar.week_of(after) - 1, 0) if after else 0

    def pull(self, say: Say) -> None:
        """Stage every file not read yet, and of tables and streams what is new."""
        reader = open_reader(self.declaration, self.checkout, say)
        for name, mapping in self.declaration.data_sets.items():
            for piece in reader.pieces(mapping):
                self._pull_piece(reader, name, piece, say)

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """Consecutive weeks together as long as they hold at most ``rows_per_batch`` events."""
        counts = self._rows.week_counts("events")
        ranges: list[tuple[int, int]] = []
        held = 0
        for week in range(first, last + 1):
            held += counts.get(week, 0)
            if ranges and held <= self.rows_per_batch:
                ranges[-1] = (ranges[-1][0], week)
            else:
                ranges.append((week, week))
                held = counts.get(week, 0)
        return ranges

    def read_weeks(self, first: int, last: int) -> Tables:
        """The rows of the weeks; with week 1 also older ones, those of no moment, and the reference data."""
        appended = {
            name: self._counted(name, self._rows.known_with_week(self._rows.of_weeks(name, first, last)))
            for name in self._declared(APPENDED)
        }
        return appended | (self._reference(self.staging.parts_after(0)) if first == 1 else {})

    def read_late(self, after: int, last_week: int, known_at: datetime) -> Iterator[tuple[int, int, Tables]]:
        """New parts, as many at a time as a batch may hold."""
        for group in self._groups(after):
            tables = {
                name: self._counted(
                    name, known_from(self._rows.late(name, _of(group, name), last_week), known_at)
                )
                for name in self._declared(APPENDED)
            } | self._reference(group)
            filled = {name: table for name, table in tables.items() if table.num_rows}
            if filled:
                yield group[0].number, group[-1].number, filled

    def read_again(self, first: int, last: int, known_at: datetime, say: Say) -> Iterator[Tables]:
        """Everything is read once more, since a row may have changed anywhere; only the range is kept."""
        folder = self.staging.folder / "again"
        shutil.rmtree(folder, ignore_errors=True)
        again = DeclaredSource(
            self.declaration, self.calendar, self.checkout, Staging(folder), self.rows_per_batch
        )
        try:
            again.pull(say)
            for begins, ends in again.ranges(first, last):
                yield {
                    name: self._counted(name, known_from(again._rows.of_weeks(name, begins, ends), known_at))
                    for name in self._declared(APPENDED)
                }
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def repeats(self, after: int) -> dict[str, int]:
        """Rows that ``keep_last`` left out of their chunk."""
        counted: dict[str, int] = {}
        for part in self.staging.parts_after(after):
            if part.repeats:
                counted[part.data_set] = counted.get(part.data_set, 0) + part.repeats
        return counted

    @property
    def _rows(self) -> StagedRows:
        return StagedRows(self.staging, self.calendar)

    def _declared(self, contracts: tuple[object, ...]) -> list[str]:
        return [name for name in self.declaration.data_sets if CONTRACTS[name] in contracts]

    def _reference(self, parts: list[Part]) -> dict[str, pa.Table]:
        return {
            name: self._counted(name, self._rows.all_of(name, _of(parts, name)))
            for name in self._declared(REFERENCE)
            if _of(parts, name)
        }

    def _counted(self, name: str, rows: pa.Table) -> pa.Table:
        """Rows that share a key marked as the declaration's rule says."""
        mapping, key = self.declaration.data_sets[name], CONTRACTS[name].key
        if mapping.keep_last:
            return mark_repeated(rows, key, "keep_last", counts="last")
        if mapping.keep_first:
            return mark_repeated(rows, key, "count_as_duplicates", counts="first")
        return rows

    def _groups(self, after: int) -> Iterator[list[Part]]:
        group: list[Part] = []
        for part in self.staging.parts_after(after):
            if group and sum(one.rows for one in group) + part.rows > self.rows_per_batch:
                yield group
                group = []
            group.append(part)
        if group:
            yield group

    def _pull_piece(self, reader: Reader, name: str, piece: Piece, say: Say) -> None:
        mapping, key = self.declaration.data_sets[name], CONTRACTS[name].key
        known = self.staging.begin(name, piece.name, piece.fingerprint)
        if known.finished:
            return
        told, rows = time.monotonic(), known.rows
        for chunk in reader.read(mapping, piece, known.position, CHUNK_ROWS):
            mapped = map_chunk(chunk, self.declaration, name)
            kept = last_of_each(mapped, key) if mapping.keep_last else mapped
            self.staging.add(name, piece.name, kept, chunk.position, mapped.num_rows - kept.num_rows)
            rows += mapped.num_rows
            if time.monotonic() - told > SAY_EVERY:
                told = time.monotonic()
                say(f"{self.name}: {name} from {piece.name}: {rows:,} rows read")
        if piece.fingerprint:
            self.staging.finish(name, piece.name)


def _of(parts: list[Part], data_set: str) -> list[Part]:
    return [part for part in parts if part.data_set == data_set]
