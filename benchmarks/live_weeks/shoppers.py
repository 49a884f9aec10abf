"""The shop's own households, and how they buy: what a simulated visit is drawn from."""

import random
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.next_basket.inputs import tables_folder
from pipelines.weeks import ShopCalendar, from_micros

# The week column of the table is not the shop's: its weeks begin on another day.
BASKETS = """
select household_id, epoch_us(timezone('UTC', transaction_timestamp)) as micros
from purchases group by basket_id, household_id, transaction_timestamp order by all
"""
PRICES = """
select cast(product_id as varchar), round(median(sales_value / quantity), 2)
from purchases where quantity > 0 and sales_value > 0 group by all
"""
DAYS = 7


@dataclass(frozen=True)
class Shoppers:
    """What is known of them.

    Attributes:
        households: Their ids.
        shares: By week, the share of households that buy on a day of it.
        moments: By week, when its baskets were bought (UTC).
        prices: Median price by item.
    """

    households: tuple[str, ...]
    shares: dict[int, float]
    moments: dict[int, list[datetime]]
    prices: dict[str, float]

    @classmethod
    def read(cls, calendar: ShopCalendar, folder: Path | None = None) -> "Shoppers":
        """From the tables of Complete Journey.

        Args:
            calendar: The shop's weeks.
            folder: Of the tables, instead of the package's.

        Raises:
            DataError: They are not there.
        """
        file = tables_folder(folder) / "transactions.parquet"
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.read_parquet(str(file)).create_view("purchases")
            baskets = connection.execute(BASKETS).fetchnumpy()
            prices = dict(connection.execute(PRICES).fetchall())
        households = tuple(sorted({str(name) for name in baskets["household_id"]}))
        moments: dict[int, list[datetime]] = {}
        bought: dict[int, set[tuple[str, date]]] = {}
        weeks = calendar.weeks_of(baskets["micros"])
        for week, household, micros in zip(weeks, baskets["household_id"], baskets["micros"], strict=True):
            moment = from_micros(int(micros))
            moments.setdefault(int(week), []).append(moment)
            bought.setdefault(int(week), set()).add((household, moment.astimezone(calendar.timezone).date()))
        shares = {week: len(days) / DAYS / len(households) for week, days in bought.items()}
        return cls(households, shares, moments, prices)

    def draw(self, chance: random.Random) -> str:
        """A household."""
        return chance.choice(self.households)

    def buying_share(self, week: int) -> float:
        """Of the visits, how many end with a purchase: as many as households bought on a day of ``week``."""
        return self.shares.get(week, 0.0)

    def purchase(self, week: int, user: str, item: str, number: int, chance: random.Random) -> dict[str, Any]:
        """The event of a purchase, told late: at a moment at which a basket of ``week`` was really bought.

        A replayed week passes in minutes. Bought at the shop clock's now, all of these baskets would fall into the
        first hour of a Monday, and the next week would be refused for its hours.
        """
        event = {
            "event_id": f"live-{number}",
            "user_id": user,
            "event_type": "purchase",
            "item_id": item,
            "basket_id": f"live-basket-{number}",
            "quantity": 1.0,
            "occurred_at": f"{chance.choice(self.moments[week]):%Y-%m-%dT%H:%M:%SZ}",
        }
        return event | ({"value": self.prices[item]} if item in self.prices else {})
