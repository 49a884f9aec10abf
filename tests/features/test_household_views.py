"""The views of households on a shop small enough to work out by hand."""

from datetime import datetime, timedelta
from math import log
from pathlib import Path

import pytest

from tests.features.tiny_shop import AT, WEEK_US, Row, ago, bought, build_shop, promoted, redeemed


def by_key(rows: list[Row], *key: str) -> dict[tuple, Row]:
    """Rows under the values of their key, without it."""
    return {
        tuple(row[name] for name in key): {name: value for name, value in row.items() if name not in key}
        for row in rows
    }


def just_before(weeks: float) -> datetime:
    """The last moment that lies before the window of so many weeks."""
    return ago(weeks) - timedelta(microseconds=1)


def test_household_windows__counts_baskets_lines_and_spend_in_each(tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 20, value=5.0),
        bought("ann", "b2", "milk", 12, value=3.0),  # the window begins with this very moment
        bought("ann", "b3", "milk", 4.5, value=1.0),
        bought("ann", "b3", "eggs", 4.5, value=None),
        bought("ann", "b4", "milk", 2, value=7.0),
        bought("ann", "b4", "fuel", 2, value=99.0),  # nothing to recommend
        bought("bob", "b5", "milk", 3, value=2.0),
        *(
            bought("cleo", f"b{weeks}", "milk", weeks, occurred_at=just_before(weeks), week=1)
            for weeks in (4, 12, 52)
        ),
    ]
    rows = by_key(build_shop(tmp_path, events)["household_windows"], "user_id")
    assert rows["ann",] == {
        "baskets_4w": 1, "baskets_12w": 3, "baskets_52w": 4,
        "lines_4w": 1, "lines_12w": 4, "lines_52w": 5,
        "spend_4w": 7.0, "spend_12w": 11.0, "spend_52w": 16.0,
        "days_since_first": 140.0, "days_since_last": 14.0, "days_between_baskets": 42.0,
    }  # fmt: skip
    assert rows["bob",]["days_between_baskets"] is None
    assert {name: value for name, value in rows["cleo",].items() if name[0] != "d"} == {
        "baskets_4w": 0, "baskets_12w": 1, "baskets_52w": 2,
        "lines_4w": 0, "lines_12w": 1, "lines_52w": 2,
        "spend_4w": 0.0, "spend_12w": 2.0, "spend_52w": 4.0,
    }  # fmt: skip


def test_household_sequences__counts_back_and_places_a_basket_by_item(tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 3),
        bought("ann", "b2", "milk", 2),
        bought("ann", "b2", "eggs", 2),
        bought("bob", "b3", "bread", 5),
    ]
    rows = build_shop(tmp_path, events)["household_sequences"]
    assert [tuple(row.values()) for row in rows] == [
        ("ann", 1, "eggs", 0, AT - 2 * WEEK_US),
        ("ann", 2, "milk", 0, AT - 2 * WEEK_US),
        ("ann", 3, "milk", 1, AT - 3 * WEEK_US),
        ("bob", 1, "bread", 0, AT - 5 * WEEK_US),
    ]


def test_household_sequences__ends_after_fifty_lines_amid_a_basket(tmp_path: Path) -> None:
    events = [bought("ann", "b0", "milk", 0.25)] + [
        bought("ann", f"b{age}", item, age / 2) for age in range(1, 20) for item in ("milk", "eggs", "bread")
    ]
    rows = build_shop(tmp_path, events)["household_sequences"]
    assert [row["position"] for row in rows] == list(range(1, 51))
    # One line of the latest basket, 48 of sixteen more, and the first of the next.
    assert [(row["item_id"], row["baskets_ago"]) for row in rows[-3:]] == [
        ("eggs", 16),
        ("milk", 16),
        ("bread", 17),
    ]


def test_household_categories__shares_fade_by_a_tenth_a_week(tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 3),
        bought("ann", "b2", "milk", 1),
        bought("ann", "b2", "eggs", 1),
        bought("ann", "b2", "bread", 1),
    ]
    rows = by_key(build_shop(tmp_path, events)["household_categories"], "user_id", "category")
    dairy, bakery = 0.9**3 + 2 * 0.9, 0.9
    assert rows == {
        ("ann", "dairy"): {
            "items": 2,
            "lines": 3,
            "decayed_lines": pytest.approx(dairy),
            "interest": pytest.approx(dairy / (dairy + bakery)),
            "last_bought_us": AT - WEEK_US,
        },
        ("ann", "bakery"): {
            "items": 1,
            "lines": 1,
            "decayed_lines": pytest.approx(bakery),
            "interest": pytest.approx(bakery / (dairy + bakery)),
            "last_bought_us": AT - WEEK_US,
        },
    }


def test_household_brands__an_item_without_a_brand_counts_for_the_whole_only(tmp_path: Path) -> None:
    names = (("milk", "National"), ("eggs", "Private"), ("bread", None))
    items = [
        {"item_id": item, "category": None, "brand": brand, "recommendable": True} for item, brand in names
    ]
    events = [bought("ann", "b1", item, 2) for item in ("milk", "eggs", "bread")] + [
        bought("ann", "b2", "milk", 1)
    ]
    built = build_shop(tmp_path, events, items=items)
    rows = by_key(built["household_brands"], "user_id", "brand")
    whole = 3 * 0.81 + 0.9
    assert built["household_categories"] == []
    assert {brand: (row["lines"], row["interest"]) for (_, brand), row in rows.items()} == {
        "National": (2, pytest.approx((0.81 + 0.9) / whole)),
        "Private": (1, pytest.approx(0.81 / whole)),
    }


def test_household_price_affinity__compares_with_the_same_quantities_at_the_category_price(
    tmp_path: Path,
) -> None:
    events = [
        bought("ann", "b1", "milk", 2, value=2.0),
        bought("bob", "b2", "eggs", 3, value=12.0, quantity=2.0),
        bought("bob", "b3", "milk", 1, value=2.0),
        bought("bob", "b4", "milk", 1, value=0.0),  # a gift: no price
    ]
    rows = by_key(build_shop(tmp_path, events)["household_price_affinity"], "user_id")
    # Milk costs 2, eggs cost 6: dairy costs 4.
    assert rows["ann",] == {
        "lines": 1,
        "spend": 2.0,
        "category_spend": 4.0,
        "price_level": 0.5,
        "mean_log_price": pytest.approx(log(0.5)),
    }
    assert rows["bob",] == {
        "lines": 2,
        "spend": 14.0,
        "category_spend": 12.0,
        "price_level": pytest.approx(14 / 12),
        "mean_log_price": pytest.approx((log(1.5) + log(0.5)) / 2),
    }


def test_household_promotions__redemptions_exposure_and_discounts(tmp_path: Path) -> None:
    events = [
        redeemed("ann", "c1", "k1", 5),
        redeemed("ann", "c1", "k2", 4),
        redeemed("ann", "c2", "k3", 3),
        redeemed("eve", "c1", "k1", 3),  # never bought anything that counts
        bought("ann", "b1", "milk", 5.5, discount=0.5),  # on promotion
        bought("ann", "b1", "eggs", 5.5),
        bought("ann", "b2", "milk", 2.5),  # the promotion ended before
        bought("bob", "b3", "milk", 4.0, value=1.0, discount=1.0),  # ends at this very moment
        bought("bob", "b3", "fuel", 4.0, discount=9.0),
    ]
    promotions = [promoted("milk", 6, 4), promoted("milk", 5.8, 5, campaign="c2")]
    rows = by_key(build_shop(tmp_path, events, promotions)["household_promotions"], "user_id")
    assert rows["ann",] == {
        "redemptions": 3,
        "campaigns_redeemed": 2,
        "last_redeemed_us": AT - 3 * WEEK_US,
        "lines": 3,
        "promoted_lines": 1,
        "promoted_share": pytest.approx(1 / 3),
        "promotion_lift": pytest.approx((1 / 3) / (1 / 4)),
        "discounted_share": pytest.approx(1 / 3),
        "discount_rate": pytest.approx(0.5 / 6.5),
    }
    assert (rows["bob",]["promoted_share"], rows["bob",]["promotion_lift"]) == (0.0, 0.0)
    assert (rows["bob",]["discounted_share"], rows["bob",]["discount_rate"]) == (1.0, 0.5)
    assert (rows["bob",]["redemptions"], rows["bob",]["last_redeemed_us"]) == (0, None)
    assert (rows["eve",]["redemptions"], rows["eve",]["lines"]) == (1, 0)
    assert (rows["eve",]["promoted_share"], rows["eve",]["discount_rate"]) == (None, None)
