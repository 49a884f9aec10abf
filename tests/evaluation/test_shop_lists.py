"""Lists of a shop's own: how they are drawn, and what their order is worth."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipelines.domain import History, RankedList, Recommendation
from pipelines.evaluation.shop_lists import BOUGHT, OTHERS, drawn_list, measure_order
from pipelines.metrics import ndcg_at_k

IDS = np.array([f"{number:03d}" for number in range(200)])
EVENLY = np.full(200, 1 / 200)


def test_drawn_list__holds_some_that_were_bought_among_others_and_nothing_twice() -> None:
    bought = [f"{number:03d}" for number in range(20)]
    items, relevant = drawn_list(bought, IDS, EVENLY, np.random.default_rng(1))
    assert (len(items), len(set(items)), len(relevant)) == (BOUGHT + OTHERS, BOUGHT + OTHERS, BOUGHT)
    assert {item for item in items if item in bought} == relevant
    assert items != sorted(items)


def test_drawn_list__of_a_small_catalog_takes_what_there_is() -> None:
    share = np.array([0.5, 0.5, 0.0])
    assert drawn_list(["000"], IDS[:3], share, np.random.default_rng(1))[1] == {"000"}
    assert sorted(drawn_list(["000"], IDS[:3], share, np.random.default_rng(1))[0]) == ["000", "001"]
    assert drawn_list(["000", "001"], IDS[:2], share[:2], np.random.default_rng(1))[1] == {"000", "001"}


def ranked(items: Sequence[str]) -> RankedList:
    return RankedList("test", tuple(Recommendation(item, 1.0, "") for item in items))


def test_measure__a_perfect_order_is_one_and_the_worst_nothing() -> None:
    histories = [History.empty(name) for name in ("1", "2", "stranger")]
    bought = {"1": {"000", "001"}, "2": {"007", "no longer sold"}, "stranger": {"no longer sold"}}

    def knows(history: History, items: Sequence[str]) -> RankedList:
        return ranked(sorted(items, key=lambda item: item not in bought[history.user_id]))

    def errs(history: History, items: Sequence[str]) -> RankedList:
        return ranked(sorted(items, key=lambda item: item in bought[history.user_id]))

    orders = {"knows": knows, "errs": errs}
    found = measure_order(orders, histories, bought, IDS, np.ones(200), 200, 7)
    assert found["lists"] == 2
    assert found["ndcg_at_10"]["knows"]["mean"] == 1.0
    assert found["ndcg_at_10"]["errs"]["mean"] == 0.0
    assert found["above"]["errs"]["low"] == 1.0


def test_measure__is_the_ndcg_of_the_places() -> None:
    def second(_: History, items: Sequence[str]) -> RankedList:
        others = [item for item in items if item != "000"]
        return ranked([others[0], "000", *others[1:]])

    found = measure_order({"second": second}, [History.empty("1")], {"1": {"000"}}, IDS, np.ones(200), 200, 7)
    assert found["ndcg_at_10"]["second"]["mean"] == pytest.approx(ndcg_at_k(np.array([2]), 1, 10))


def test_measure__of_nobody_says_so() -> None:
    assert measure_order({}, [History.empty("1")], {"1": {"strange"}}, IDS, np.ones(200), 200, 7) == {
        "lists": 0
    }
