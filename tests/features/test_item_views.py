"""The views of items and promotions on a shop small enough to work out by hand."""

from pathlib import Path

import pytest

from tests.features.test_household_views import by_key
from tests.features.tiny_shop import AT, ITEMS, WEEK_US, bought, build_shop, promoted


def weeks_before(us: int) -> float:
    return (AT - us) / WEEK_US


def test_item_prices__median_last_and_the_category(tmp_path: Path) -> None:
    events = [
        bought("ann", "b0", "milk", 53, value=50.0, week=1),  # too long ago
        bought("ann", "b1", "milk", 9, value=1.0),
        bought("ann", "b2", "milk", 8, value=6.0, quantity=2.0),
        bought("ann", "b3", "milk", 7, value=2.0),
        bought("bob", "b4", "milk", 2, value=8.0, quantity=2.0),
        bought("cleo", "b5", "milk", 2, value=6.0, quantity=3.0),  # the same moment: (8 + 6) / (2 + 3)
        bought("bob", "b6", "milk", 1, value=0.0),  # a gift
        bought("bob", "b6", "eggs", 1, value=4.0),
        bought("bob", "b6", "fuel", 1, value=4.0),
    ]
    rows = by_key(build_shop(tmp_path, events)["item_prices"], "item_id")
    assert rows == {
        ("milk",): {
            "price_median": 2.0,  # of 1, 2, 2, 3 and 4
            "price_low": 1.0,
            "price_high": 4.0,
            "price_last": 2.8,
            "category_price": 3.0,
            "relative_price": pytest.approx(2 / 3),
        },
        ("eggs",): {
            "price_median": 4.0,
            "price_low": 4.0,
            "price_high": 4.0,
            "price_last": 4.0,
            "category_price": 3.0,
            "relative_price": pytest.approx(4 / 3),
        },
    }


def test_item_prices__without_a_category_there_is_nothing_to_compare(tmp_path: Path) -> None:
    items = [row | {"category": None} for row in ITEMS]
    built = build_shop(tmp_path, [bought("ann", "b1", "milk", 1)], items=items)
    (milk,) = built["item_prices"]
    assert (milk["price_median"], milk["category_price"], milk["relative_price"]) == (2.0, None, None)
    assert built["household_price_affinity"] == []


def test_item_trends__rise_newness_and_return(tmp_path: Path) -> None:
    events = [
        bought("ann", "b1", "milk", 20),
        bought("ann", "b2", "milk", 6),
        bought("bob", "b3", "milk", 8),  # the earlier window begins with this very moment
        bought("ann", "b4", "milk", 3.5),
        bought("ann", "b5", "milk", 3.2),  # the same week: one buyer of it
        bought("ann", "b6", "milk", 0.5),
        bought("bob", "b7", "milk", 0.5),
        bought("cleo", "b8", "milk", 4),  # the later window begins with this one
        bought("dora", "b9", "eggs", 10),
        bought("fred", "b10", "bread", 1.5),
    ]
    rows = by_key(build_shop(tmp_path, events)["item_trends"], "item_id")
    assert rows["milk",] == {
        "weeks_since_first_sold": 20.0,
        "weekly_buyers": 1.0,  # ann, ann, bob, cleo
        "weekly_buyers_before": 0.5,
        "growth": 5 / 3,
        "buyers_4w": 3,
        "new_buyers_4w": 1,
        "new_buyer_share": pytest.approx(1 / 3),
        "repeat_share": pytest.approx(2 / 3),
    }
    assert rows["eggs",] == {
        "weeks_since_first_sold": 10.0,
        "weekly_buyers": 0.0,
        "weekly_buyers_before": 0.0,
        "growth": 1.0,
        "buyers_4w": 0,
        "new_buyers_4w": 0,
        "new_buyer_share": None,
        "repeat_share": 0.0,
    }
    assert (rows["bread",]["weeks_since_first_sold"], rows["bread",]["growth"]) == (1.5, 2.0)
    assert rows["bread",]["new_buyer_share"] == 1.0


def test_promotion_spans__never_count_a_moment_twice(tmp_path: Path) -> None:
    promotions = [
        promoted("milk", 9, 7),
        promoted("milk", 8, 7.5, campaign="inside the first"),
        promoted("milk", 8, 5, campaign="goes on after it"),
        promoted("milk", 3, -1, campaign="still running"),
        promoted("milk", 3, 3, campaign="of no length"),
        promoted("fuel", 3, 2),
        promoted("eggs", -1, -2),
    ]
    rows = build_shop(tmp_path, [bought("ann", "b1", "milk", 1)], promotions)["promotion_spans"]
    assert [
        (row["item_id"], weeks_before(row["from_us"]), weeks_before(row["until_us"])) for row in rows
    ] == [("milk", 9, 7), ("milk", 7, 5), ("milk", 3, -1)]


def test_item_promotions__exposure_and_what_it_did(tmp_path: Path) -> None:
    promotions = [
        promoted("milk", 12, 8),  # began before the first sale, 10 weeks ago
        promoted("milk", 9, 7, campaign="c2", coupon="k2"),
        promoted("milk", 1, -1, campaign="c3", coupon="k3"),
        promoted("milk", 1, -3, campaign="c3", coupon="k4"),
        promoted("bread", 1, 0),  # ends with the moment, and bread was never sold
        promoted("eggs", -1, -3),  # not yet
    ]
    events = [bought("ann", f"b{weeks}", "milk", weeks) for weeks in (10, 8.5, 7.5, 6, 5, 0.5)]
    rows = by_key(build_shop(tmp_path, events, promotions)["item_promotions"], "item_id")
    # On promotion from 10 to 7 and for the last week: 4 of 10 weeks, with 4 of the 6 sales.
    assert rows == {
        ("milk",): {
            "on_promotion": True,
            "campaigns_running": 1,
            "coupons_running": 2,
            "campaigns": 3,
            "ends_us": AT + 3 * WEEK_US,
            "promoted_weeks": pytest.approx(4),
            "promoted_lines": 4,
            "other_lines": 2,
            "lift": pytest.approx((4 / 4) / (2 / 6)),
        },
        ("bread",): {
            "on_promotion": False,
            "campaigns_running": 0,
            "coupons_running": 0,
            "campaigns": 1,
            "ends_us": AT,
            "promoted_weeks": 0.0,
            "promoted_lines": 0,
            "other_lines": 0,
            "lift": None,
        },
    }
