"""New items that were bought, and how many of them are listed."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.domain import History, RankedList, Recommendation
from pipelines.evaluation.new_items import measure_new
from pipelines.ranking.blended import BlendedRecommender
from pipelines.ranking.new_arrivals import NewArrivals
from tests.serving.tiny_bundle import NOW, tea_drinker, write_tiny_bundle


@pytest.fixture
def arrivals(tmp_path: Path) -> NewArrivals:
    write_tiny_bundle(tmp_path)
    return NewArrivals(BlendedRecommender.load(tmp_path))


def test_new_to__is_what_the_shop_sells_since_lately_and_the_shopper_never_bought(
    arrivals: NewArrivals,
) -> None:
    # Eggs, Tea and Coffee are new; Tea was bought.
    assert arrivals.item_ids[arrivals.new_to(tea_drinker(), NOW)].tolist() == ["30", "60"]
    assert arrivals.item_ids[arrivals.new_to(History.empty("x"), NOW)].tolist() == ["30", "50", "60"]
    later = NOW + 9 * 86_400_000_000
    assert arrivals.item_ids[arrivals.new_to(History.empty("x"), later)].tolist() == ["50", "60"]


def test_measure__counts_new_items_alone(arrivals: NewArrivals) -> None:
    bought = {"1": {"30", "60", "50", "10"}, "2": {"10"}, "3": {"60"}}
    histories = [tea_drinker("1"), History.empty("2"), History.empty("3")]

    def coffee(_: History, k: int) -> RankedList:
        return RankedList("test", (Recommendation("60", 1.0, ""), Recommendation("10", 1.0, "")))

    found = measure_new(
        {"coffee": coffee, "none": lambda *_: RankedList("", ())}, histories, bought, arrivals, NOW, 200, 7
    )
    # Household 1 bought two new things, of which one is listed; household 2 none; household 3 one.
    assert found["households"] == 2
    assert found["recall_at_10"]["coffee"]["mean"] == pytest.approx((0.5 + 1.0) / 2)
    assert found["above"]["none"]["mean"] == pytest.approx(0.75)


def test_measure__where_nobody_bought_anything_new_says_so(arrivals: NewArrivals) -> None:
    assert measure_new({}, [History.empty("2")], {"2": {"10"}}, arrivals, NOW, 200, 7) == {"households": 0}
    assert np.all(~arrivals.new_to(History.empty("2"), NOW + 10**16))
