"""The search for leaks: shops whose future is whatever it is, and features that must not know of it.

Two futures differ by events and promotions added, deleted and changed. If no future changes a feature of the
shop that has none, then no change of a future does: so each drawn future is compared with none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.features.build import load_known
from pipelines.features.views import View
from tests.features.tiny_shop import AT, ITEMS, WEEK, Row, Shop, bought, promoted, redeemed, write_shop

USERS = [f"u{number}" for number in range(6)]
SOLD = ["milk", "eggs", "bread"]
FOLDERS = count()


def busy_past() -> list[Row]:
    """Six shoppers whose baskets fill every view."""
    ages = (0.25, 0.75, 1.5, 2.5, 3.5, 4.5, 6.5, 11.5, 30.5)
    rows = [
        bought(user, f"{user}-{age}", item, age, value=1.0 + number + place, discount=0.5 * (place % 2))
        for number, user in enumerate(USERS)
        for place, age in enumerate(ages)
        for item in SOLD[: 1 + (number + place) % 3]
    ]
    rows += [redeemed(user, "c1", "k1", 1.25) for user in USERS[:3]]
    rows += [bought("u0", "u0-30.5", "eggs", 30.5, learned=20, corrects="0", event_id="mended")]
    return [{"event_id": f"{number}"} | row for number, row in enumerate(rows)]


PAST = busy_past()
PROMOTIONS = [
    promoted("milk", 5, 3),
    promoted("eggs", 1, -2, campaign="c2"),
    promoted("milk", 1, -1, "c3", "k3"),
]


@dataclass(frozen=True)
class Future:
    """What happens, or becomes known, at the moment or later."""

    events: tuple[Row, ...] = ()
    promotions: tuple[Row, ...] = ()
    items: tuple[Row, ...] = ()


shoppers = st.sampled_from([*USERS, "stranger"])
# A line may come late to a basket that is known, or open one of its own.
baskets = st.one_of(
    st.none(), st.sampled_from(sorted({str(row["basket_id"]) for row in PAST})), st.just("new")
)
bought_items = st.sampled_from([*SOLD, "fuel", "cheese"])
to_come = st.one_of(st.just(0.0), st.floats(-6, -0.001))
gone_by = st.floats(0.01, 39)
amounts = st.fixed_dictionaries(
    {"value": st.sampled_from([0.0, 3.0, 700.0]), "discount": st.sampled_from([None, 5.0])}
)

happens_later = st.builds(
    lambda user, basket, item, weeks, more: bought(user, basket, item, weeks, **more),
    shoppers, baskets, bought_items, to_come, amounts,
)  # fmt: skip
becomes_known_later = st.builds(
    lambda user, basket, item, weeks, learned, more: bought(user, basket, item, weeks, learned, **more),
    shoppers, baskets, bought_items, gone_by, st.floats(-6, -0.001), amounts,
)  # fmt: skip
is_redeemed_later = st.builds(
    lambda user, campaign, weeks, late: redeemed(user, campaign, "k1", late or weeks, weeks),
    shoppers, st.sampled_from(["c1", "c9"]), st.floats(-6, -0.001), st.one_of(st.none(), gone_by),
)  # fmt: skip
is_corrected_later = st.builds(
    lambda row, item, learned: row | bought(row["user_id"], row["basket_id"], item, 1, learned, value=90.0)
    | {"occurred_at": row["occurred_at"], "week": row["week"], "corrects": row["event_id"], "event_id": None},
    st.sampled_from(PAST), bought_items, st.floats(-6, -0.001),
)  # fmt: skip
begins_later = st.builds(
    lambda item, starts, length, campaign: promoted(item, starts, starts - length, campaign),
    bought_items, to_come, st.floats(0.5, 9), st.sampled_from(["c1", "c8"]),
)  # fmt: skip
CHEESE = {"item_id": "cheese", "category": "dairy", "brand": "Private", "recommendable": True}


def named(rows: list[Row], prefix: str, key: str) -> tuple[Row, ...]:
    """Rows with ids that nothing else has."""
    return tuple(row | {key: f"{prefix}{number}"} for number, row in enumerate(rows))


futures = st.builds(
    lambda later, known, redeemed, corrected, begins: Future(
        named([*later, *known, *redeemed, *corrected], "later", "event_id"),
        named(begins, "later", "promotion_id"),
        (CHEESE,),
    ),
    *(
        st.lists(rows, min_size=1, max_size=4)
        for rows in (happens_later, becomes_known_later, is_redeemed_later, is_corrected_later, begins_later)
    ),
)

Rows = dict[str, list[Row]]
Build = Callable[[list[Row], list[Row], list[Row]], Rows]


def search(build: Build, examples: int, planted: bool = False) -> None:
    """Draw futures until one changes a row, which fails.

    Args:
        build: Gives the rows of each view, in the order of its key, from events, promotions and items.
        examples: How many futures are drawn.
        planted: Whether a leak is known to be there: the same futures each time.
    """
    known = build(PAST, PROMOTIONS, list(ITEMS))

    @settings(
        max_examples=examples, deadline=None, derandomize=planted, database=None,
        phases=[Phase.generate],  # a smaller example would need hundreds of builds; the row that changed says enough
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(future=futures)
    def no_future_changes_a_row(future: Future) -> None:
        events, promotions = [*PAST, *future.events], [*PROMOTIONS, *future.promotions]
        changed = differences(known, build(events, promotions, [*ITEMS, *future.items]))
        assert not changed, "the future changes " + "; ".join(changed[:5])

    no_future_changes_a_row()


def differences(one: Rows, other: Rows) -> list[str]:
    """Where two builds differ, a view and a row each; sums may differ in their last digits."""
    found = [
        f"{name}: {len(rows)} rows become {len(other[name])}"
        for name, rows in one.items()
        if len(rows) != len(other[name])
    ]
    return found + [
        f"{name}: {before} becomes {after}"
        for name, rows in one.items()
        for before, after in zip(rows, other[name], strict=False)
        if not all(_same(value, after[column]) for column, value in before.items())
    ]


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    return one == other


def open_build(folder: Path, views: list[View], leak: str) -> Build:
    """A build whose views can reach all events and promotions, ``all_events`` and ``all_promotions``.

    Args:
        folder: Where to write the shops.
        views: What to build.
        leak: Statements to run before: what a builder may do wrongly.
    """

    def build(events: list[Row], promotions: list[Row], items: list[Row]) -> Rows:
        shop = write_shop(folder / f"{next(FOLDERS)}", events, promotions, items)
        with duckdb.connect() as database:
            database.execute("SET threads = 1; SET TimeZone = 'UTC'")
            load_known(database, shop.events, shop.items, AT, WEEK, 1, shop.users, shop.promotions)
            _open(database, shop)
            database.execute(leak)
            return {view.name: _rows(database, view) for view in views}

    return build


def _open(database: duckdb.DuckDBPyConnection, shop: Shop) -> None:
    database.execute(
        f"CREATE VIEW all_events AS SELECT *, epoch_us(occurred_at) AS occurred_us FROM '{shop.events}'"
    )
    database.execute(
        "CREATE VIEW all_promotions AS SELECT *, epoch_us(starts_at) AS starts_us, epoch_us(ends_at) AS ends_us "
        f"FROM '{shop.promotions}'"
    )


def _rows(database: duckdb.DuckDBPyConnection, view: View) -> list[Row]:
    database.execute(f"CREATE TABLE {view.name} AS {view.sql} ORDER BY {', '.join(view.key)}")
    found: list[Row] = database.table(view.name).to_arrow_table().to_pylist()
    return found
