"""Judging the weeks that a batch brings against those that were accepted before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.batch_rules import WEEKS_COMPARED
from pipelines.contracts.week_rules import freshness_faults, mix_faults, volume_faults
from pipelines.params import ValidateData
from pipelines.weeks import ShopCalendar

# Purchases of what is not in the catalog have a category of null; an item without one counts for its department.
SPREAD_QUERY = """
with told as (
    select event_type, item_id, occurred_at from batch
    union all select event_type, item_id, occurred_at from accepted
)
select
    week,
    case when event_type = 'purchase' then coalesce(category, department) end as category,
    count(*) as events
from told
join weeks on occurred_at >= starts_at and occurred_at < ends_at
left join catalog using (item_id)
group by all
order by all
"""


@dataclass(frozen=True)
class LandedWeeks:
    """The weeks of one batch.

    Attributes:
        events: Its accepted events.
        weeks: The shop weeks that it brings, the last of which it completes.
        history: Files of the events accepted before.
        items: The catalog as known with this batch, in the contract's schema; may be empty.
    """

    events: pa.Table
    weeks: range
    history: list[Path]
    items: pa.Table


def week_faults(landed: LandedWeeks, calendar: ShopCalendar, limits: ValidateData) -> list[str]:
    """What makes these weeks unfit: too few or too many events, a missing end, another mix of categories."""
    counts, mixes = count_weeks(landed, calendar)
    week, newest = landed.weeks[-1], pc.max(landed.events["occurred_at"]).as_py()
    low, high = limits.week_volume_share_low, limits.week_volume_share_high
    return [
        *volume_faults(counts, landed.weeks, low, high),
        *freshness_faults(newest, week, calendar.end(week), limits.freshness_hours_limit),
        *mix_faults(mixes, landed.weeks, limits.category_mix_limit),
    ]


def count_weeks(
    landed: LandedWeeks, calendar: ShopCalendar
) -> tuple[dict[int, int], dict[int, Mapping[str, int]]]:
    """Events per shop week, and purchases per shop week and category, of the landed weeks and those compared.

    Weeks without events are in neither, weeks without known purchases not in the second. The files are counted
    where they are, so that a long history need not fit into memory.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("batch", landed.events)
        connection.register("catalog", landed.items)
        connection.register("weeks", _weeks(landed.weeks, calendar))
        if landed.history:
            connection.read_parquet([str(path) for path in landed.history]).create_view("accepted")
        else:
            connection.register("accepted", landed.events.slice(0, 0))
        rows = connection.execute(SPREAD_QUERY).fetchall()
    counts: dict[int, int] = {}
    mixes: dict[int, dict[str, int]] = {}
    for week, category, events in rows:
        counts[week] = counts.get(week, 0) + events
        if category is not None:
            mixes.setdefault(week, {})[category] = events
    return counts, dict(mixes)


def _weeks(landed: range, calendar: ShopCalendar) -> pa.Table:
    weeks = range(landed[0] - WEEKS_COMPARED, landed[-1] + 1)
    moments = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "week": pa.array(weeks, pa.int32()),
            "starts_at": pa.array([calendar.start(week) for week in weeks], moments),
            "ends_at": pa.array([calendar.end(week) for week in weeks], moments),
        }
    )
