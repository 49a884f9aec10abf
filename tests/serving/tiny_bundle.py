"""A shop of six items on disk, small enough to work its answers out by hand."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.domain import History
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.bundle import seal, write_arrays, write_json
from pipelines.retrieval.companions import Companions
from pipelines.text.search_index import SearchIndex

IDS = ["10", "20", "30", "40", "50", "60"]
TITLES = ["Milk", "Bread", "Eggs", "Apples", "Tea", "Coffee"]
DEPARTMENTS = ["Chilled", "Bakery", "Chilled", "Fresh", "Drinks", "Drinks"]
CATEGORIES = ["Dairy", "Bread", "Eggs", "Fruit", None, "Coffee"]
BRANDS = ["National", "Own", "Own", None, "National", "Own"]
PRICES = [1.5, 2.49, 3.0, float("nan"), 8.0, 12.0]
NOW = 1_509_336_000_000_000  # 2017-10-30T04:00:00Z
WEEK = 604_800_000_000
DAY = WEEK // 7
# Of the features, the model knows the items bought lately alone: each e-fold of 1 + items adds 2 to the log-odds of -3.
PROMOTIONS: dict[str, Any] = {
    "model": {
        "intercept": -3.0,
        "weights": [0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        "center": [0.0] * 8,
        "scale": [1.0] * 8,
    },
    "rates": {"base": 0.01, "types": {"Type A": 0.08}, "own_weight": 10.0},
    "lately_days": 56.0,
    "starts_us": [NOW - 100 * DAY, NOW - 20 * DAY, NOW - 10 * DAY, NOW + DAY],
    "campaigns": [
        {"campaign_id": "18", "kind": "Type A", "starts_us": NOW - 20 * DAY, "ends_us": NOW + 20 * DAY}
        | {"coupons": {"c1": ["10", "20"], "c2": ["30", "40", "50"]}},
        {"campaign_id": "19", "kind": "Type B", "starts_us": NOW - 10 * DAY, "ends_us": NOW + 10 * DAY}
        | {"coupons": {"c3": ["60"]}},
        {"campaign_id": "20", "kind": "Type B", "starts_us": NOW + DAY, "ends_us": NOW + 30 * DAY}
        | {"coupons": {"c4": ["10"]}},
    ],
    "limits": {
        "": {"showings": 3, "showings_days": 7, "budget_showings": None, "budget_redemptions": None},
        "19": {"showings": None, "showings_days": 7, "budget_showings": 5, "budget_redemptions": 2},
    },
}
SCENARIOS = {
    "complements": {"taste_weight": 2.0},
    "search": {"taste_weight": 0.5},
    "new_arrivals": {"days": 28.0},
}


def write_tiny_bundle(path: Path, prices: list[float] | None = PRICES) -> str:
    """Write it and return its sha256. Milk is most popular; Tea and Coffee go together."""
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "items.json", {"ids": IDS, "titles": TITLES})
    Attributes.of({"department": DEPARTMENTS, "category": CATEGORIES, "type": TITLES, "brand": BRANDS}).save(
        path / "attributes.npz"
    )
    texts = [
        " ".join(filter(None, parts)) for parts in zip(TITLES, DEPARTMENTS, CATEGORIES, BRANDS, strict=True)
    ]
    SearchIndex.of(texts).save(path / "search.npz")
    if prices is not None:
        write_arrays(path / "prices.npz", {"price": np.array(prices)})
    popularity = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.1], np.float32)
    about = {"reach": np.zeros(6, np.float32), "kind": np.zeros(6, np.int32), "sellable": np.ones(6, bool)}
    about["first_sold_us"] = NOW - np.array([400, 300, 20, 200, 10, 1], np.int64) * DAY
    write_arrays(path / "popularity.npz", {"scores": popularity, **about})
    others = np.array([[1, 2], [0, -1], [0, -1], [-1, -1], [5, -1], [4, -1]], np.int32)
    there = others >= 0
    Companions(
        others,
        strength=np.where(there, np.array([[0.9, 0.8]]), 0).astype(np.float32),
        baskets=np.where(there, np.array([[9, 8]]), 0).astype(np.int32),
        lift=np.where(there, np.array([[3.0, 2.0]]), 0).astype(np.float32),
        pull=np.where(there, np.array([[0.5, 0.7]]), 0).astype(np.float32),
    ).save(path / "companions.npz")
    blend = [
        {"system": "popularity", "scale": "share", "weight": 1.0},
        {"system": "personal_frequency_decayed", "scale": "share", "weight": 2.0},
    ]
    write_json(path / "promotions.json", PROMOTIONS)
    return seal(
        path,
        {
            "format": 1,
            "week": 44,
            "fitted_through_us": NOW - 3 * DAY,
            "blends": {"blend": blend},
            **SCENARIOS,
        },
    )


def tea_drinker(user_id: str = "1") -> History:
    """Bought Tea one week and two weeks before NOW, Apples with the first Tea.

    A purchase keeps .9 a week: Tea .9 + .81 = 1.71, Apples .81. As shares of the largest, popularity once
    and frequency twice: Tea .2 + 2 = 2.2, Apples .4 + 2 * .81 / 1.71 = 1.347368, Milk 1, Bread .8.
    """
    times = np.array([NOW - 2 * WEEK, NOW - 2 * WEEK, NOW - WEEK], np.int64)
    return History(user_id, np.array(["40", "50", "50"]), times, np.array([0, 0, 1], np.int32))
