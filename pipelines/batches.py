"""The batches that a source's data make: weeks, what came late, and past weeks read again."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from pipelines.contracts import EVENTS
from pipelines.landing import Batch, Landing
from pipelines.sources.shop_source import Say, ShopSource, Tables
from pipelines.weeks import ShopCalendar

# What an event says, whenever it was learned and whatever it is called.
TOLD = [name for name in EVENTS.column_names if name not in ("event_id", "corrects", "ingested_at")]
CORRECTIONS = """
with told as (
    select coalesce(corrects, event_id) as first_id, event_id, corrects, ingested_at, hash({told}) as content
    from known
),
latest as (
    select * from told
    qualify row_number() over (partition by first_id order by ingested_at desc, event_id desc) = 1
),
compared as (
    select
        batch.*,
        latest.event_id as latest_id,
        latest.corrects as latest_corrects,
        case
            when latest.event_id is null or not {fine} then 'new'
            when hash({told}) = latest.content then 'same'
            else 'changed'
        end as telling
    from (select *, row_number() over () as place from batch) as batch
    left join latest on batch.event_id = latest.first_id
)
select * exclude (place, latest_id, latest_corrects, telling) replace (
    case telling when 'new' then event_id when 'same' then latest_id else event_id || '~' || $token end as event_id,
    case telling when 'new' then corrects when 'same' then latest_corrects else event_id end as corrects
)
from compared
order by place
"""


@dataclass(frozen=True)
class Intake:
    """Makes batches of what a source has.

    Attributes:
        source: Whose data.
        landing: What was accepted so far.
        calendar: The shop's weeks.
        now: The shop's present.
    """

    source: ShopSource
    landing: Landing
    calendar: ShopCalendar
    now: datetime

    def late(self) -> Iterator[tuple[Batch, Tables]]:
        """What came since the last landing about accepted weeks, and new reference data."""
        after, last = self.landing.late_through(), self.landing.last_week()
        repeats = self.source.repeats(after)
        for first, through, tables in self.source.read_late(after, last, self.now) if last else ():
            batch_id = f"late-{first}-{through}"
            batch = Batch(
                batch_id,
                "late",
                self.now.isoformat(),
                self.source.name,
                late_through=through,
                repeats=repeats,
            )
            yield batch, self._with_corrections(tables, through)
            repeats = {}

    def weeks(self, first: int, last: int, came_late: bool) -> Iterator[tuple[Batch, Tables]]:
        """The weeks ``first`` to ``last``: the history in few batches, later ones each in its own.

        Args:
            first: First week.
            last: Last week.
            came_late: Whether batches of :meth:`late` are judged before these: how far the source was read is
                then known by them.
        """
        each = [(week, week) for week in range(first, last + 1)]
        for begins, ends in self.source.ranges(first, last) if first == 1 else each:
            batch_id = f"week-{ends:02d}" if begins == ends else f"weeks-{begins:02d}-{ends:02d}"
            batch = Batch(
                batch_id,
                "weeks",
                self.calendar.end(ends).isoformat(),
                self.source.name,
                week=ends,
                first_week=begins,
                late_through=None if came_late else self.source.through,
                repeats=self.source.repeats(0) if begins == 1 else {},
            )
            tables = self.source.read_weeks(begins, ends)
            # Reference data may be empty in a week; a batch without events may not, and validation says so.
            yield batch, {name: table for name, table in tables.items() if table.num_rows or name == "events"}

    def again(self, first: int, last: int, say: Say) -> Iterator[tuple[Batch, Tables]]:
        """Accepted weeks read anew: what is the same is a duplicate, what differs corrects, what is new is late."""
        # As long as nothing is accepted between, a repetition lands the same batches over those of before.
        so_far = " ".join(sorted(record.batch.batch_id for record in self.landing.accepted()))
        for number, tables in enumerate(self.source.read_again(first, last, self.now, say), start=1):
            filled = {name: table for name, table in tables.items() if table.num_rows}
            if not filled:
                continue
            token = hashlib.sha256(f"{so_far} {number}".encode()).hexdigest()[:6]
            batch_id = f"backfill-{first:02d}-{last:02d}-{token}"
            batch = Batch(batch_id, "backfill", self.now.isoformat(), self.source.name)
            yield batch, self._with_corrections(filled, token)

    def _with_corrections(self, tables: Tables, token: object) -> Tables:
        if EVENTS.name not in tables:
            return tables
        events = tables[EVENTS.name]
        return dict(tables) | {
            EVENTS.name: as_corrections(events, self.landing.known_versions(events), token)
        }


def as_corrections(events: pa.Table, known: pa.Table, token: object) -> pa.Table:
    """Events that the source now tells otherwise become corrections of what it told before.

    Args:
        events: The contract's columns, with or without those of provenance.
        known: Accepted events with these ids and the corrections of them.
        token: Makes the ids of the corrections new.

    Returns:
        ``events``; of one that differs from the latest known telling the id is ``<id>~<token>`` and ``corrects`` is
        the id; one that says what the latest correction says is left with its own id, and is a duplicate.
    """
    fine = "batch.fault is null" if "fault" in events.column_names else "true"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("batch", events)
        connection.register("known", known)
        query = CORRECTIONS.format(told=", ".join(TOLD), fine=fine)
        return connection.sql(query, params={"token": str(token)}).to_arrow_table().cast(events.schema)
