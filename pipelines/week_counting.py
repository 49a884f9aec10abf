"""What is counted of each shop week, where the files are, so that a long history need not fit into memory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.contracts.batch_rules import PRICE_WEEKS
from pipelines.contracts.week_rules import Mix, Part
from pipelines.weeks import ShopCalendar

COLUMNS = "event_type, event_id, user_id, item_id, basket_id, occurred_at, quantity, value"
TOLD = f"""
create temp table told as
select week, {COLUMNS} from (select {COLUMNS} from batch union all select {COLUMNS} from accepted)
join weeks on occurred_at >= starts_at and occurred_at < ends_at
"""
EVENTS = "select week, count(*) from told group by all order by all"
SHOPPERS = """
select week, count(distinct user_id) from told where event_type = 'purchase' group by all order by all
"""
# Purchases of what is not in the catalog have a category of null; an item without one counts for its department.
CATEGORIES = """
select week, coalesce(category, department) as category, count(*)
from told join catalog using (item_id)
where event_type = 'purchase' and coalesce(category, department) is not null group by all order by all
"""
# Baskets, not lines: the lines of a basket share an hour, and chance has to be reckoned with what is independent.
HOURS = """
select week, hour(timezone($timezone, occurred_at))::varchar as hour, count(distinct coalesce(basket_id, event_id))
from told where event_type = 'purchase' group by all order by all
"""
REPEATED = """
with lines as (
    select week, count(*) as lines from told where event_type = 'purchase'
    group by week, user_id, item_id, basket_id, occurred_at, quantity, value
)
select week, coalesce(sum(lines) filter (lines > 1), 0)::bigint, sum(lines)::bigint
from lines group by all order by all
"""
REPRICED = """
with prices as (
    select week, item_id, round(median(value / quantity), 4) as price
    from told where event_type = 'purchase' and quantity > 0 and value is not null group by all
)
select now.week, count(*) filter (now.price <> earlier.price), count(*)
from prices as now join prices as earlier on now.item_id = earlier.item_id and earlier.week = now.week - 1
group by all order by all
"""

PRICE_LEVELS = """
with prices as (
    select week, item_id, median(value / quantity) as price
    from told where event_type = 'purchase' and quantity > 0 and value > 0 group by all
)
select now.week, median(now.price / earlier.price), count(*)
from prices as now join prices as earlier on now.item_id = earlier.item_id and earlier.week = now.week - 1
group by all order by all
"""
BASKETS = """
select week, count(distinct basket_id), count(distinct user_id) from told
where event_type = 'purchase' and basket_id is not null and user_id is not null group by all order by all
"""
BUSIEST = """
with lines as (select week, user_id, count(*) as lines from told where event_type = 'purchase' group by all)
select week, arg_max(user_id, (lines, user_id)) filter (user_id is not null),
    coalesce(max(lines) filter (user_id is not null), 0), sum(lines)::bigint
from lines group by all order by all
"""
HIDDEN = """
select week, count(*) filter (not recommendable), count(*) from told join catalog using (item_id)
where event_type = 'purchase' group by all order by all
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


@dataclass(frozen=True)
class WeekCounts:
    """By shop week: the landed ones and those that they are compared with. A week without any is left out.

    Attributes:
        events: Events.
        shoppers: Shoppers who bought something.
        categories: Purchases by category of the item, of items that the catalog knows.
        hours: Baskets by hour of the shop's day.
        repeated: Purchases that another one equals in all but the event id, and all purchases.
        repriced: Items whose median price is not that of the week before, and all that were sold in both.
        price_levels: Median over these items of the price divided by that of the week before, and how many they are.
        baskets: Baskets, and shoppers that have one.
        busiest: The shopper with most purchases, how many these are, and how many all are.
        hidden: Purchases of items that must not be recommended, and of all items that the catalog knows.
    """

    events: dict[int, int] = field(default_factory=dict)
    shoppers: dict[int, int] = field(default_factory=dict)
    categories: dict[int, Mix] = field(default_factory=dict)
    hours: dict[int, Mix] = field(default_factory=dict)
    repeated: dict[int, Part] = field(default_factory=dict)
    repriced: dict[int, Part] = field(default_factory=dict)
    price_levels: dict[int, tuple[float, int]] = field(default_factory=dict)
    baskets: dict[int, Part] = field(default_factory=dict)
    busiest: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    hidden: dict[int, Part] = field(default_factory=dict)


def count_weeks(landed: LandedWeeks, calendar: ShopCalendar) -> WeekCounts:
    """Count the landed weeks and those before them."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("batch", landed.events)
        connection.register("catalog", landed.items)
        connection.register("weeks", _weeks(landed.weeks, calendar))
        if landed.history:
            files = [str(path) for path in landed.history]
            connection.read_parquet(files, union_by_name=True).create_view("accepted")
        else:
            connection.register("accepted", landed.events.slice(0, 0))
        connection.execute(TOLD)

        def rows(query: str, **values: str) -> list[Any]:
            return list(connection.execute(query, values).fetchall())

        return WeekCounts(
            events=dict(rows(EVENTS)),
            shoppers=dict(rows(SHOPPERS)),
            categories=_mixes(rows(CATEGORIES)),
            hours=_mixes(rows(HOURS, timezone=calendar.timezone.key)),
            repeated={week: (part, whole) for week, part, whole in rows(REPEATED)},
            repriced={week: (part, whole) for week, part, whole in rows(REPRICED)},
            price_levels={week: (change, items) for week, change, items in rows(PRICE_LEVELS)},
            baskets={week: (part, whole) for week, part, whole in rows(BASKETS)},
            busiest={week: (user, part, whole) for week, user, part, whole in rows(BUSIEST)},
            hidden={week: (part, whole) for week, part, whole in rows(HIDDEN)},
        )


def _mixes(rows: list[Any]) -> dict[int, Mix]:
    mixes: dict[int, dict[str, int]] = {}
    for week, name, count in rows:
        mixes.setdefault(week, {})[str(name)] = count
    return dict(mixes)


def _weeks(landed: range, calendar: ShopCalendar) -> pa.Table:
    """One week more than is compared: the first of these has its prices compared, too."""
    weeks = range(landed[0] - PRICE_WEEKS - 1, landed[-1] + 1)
    moments = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "week": pa.array(weeks, pa.int32()),
            "starts_at": pa.array([calendar.start(week) for week in weeks], moments),
            "ends_at": pa.array([calendar.end(week) for week in weeks], moments),
        }
    )
