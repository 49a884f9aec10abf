"""Figures per household and group, by hand."""

import numpy as np
import pytest

from pipelines.evaluation.lists import Lists
from pipelines.evaluation.measure import (
    Truth,
    concentration,
    coverage,
    item_recall,
    measure_lists,
    measure_permuted,
    permuted,
    summarise,
)

LISTS = Lists(
    user_ids=np.array(["ann", "bob"]),
    item_ids=np.array(["bread", "eggs", "milk", "tea"]),
    systems={
        "blend": (
            np.array([[2, 0, 1], [3, 2, -1]], np.int32),
            np.array([[3.0, 2.0, 1.0], [2.0, 1.0, -np.inf]]),
        )
    },
)
TRUTH = Truth(bought={"ann": {"milk", "tea"}, "bob": {"bread"}}, known={"ann": {"milk"}, "bob": set()})


def test_measure_lists__by_hand() -> None:
    rows = measure_lists(LISTS, TRUTH).set_index("user_id")
    assert rows.loc["ann", "ndcg_at_10"] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert rows.loc["ann", "recall_at_10"] == 0.5
    assert rows.loc["bob", ["ndcg_at_10", "mrr_at_10", "hit_at_10"]].tolist() == [0, 0, 0]
    # Only tea is new to ann, and it was not shown.
    assert rows.loc["ann", ["new_relevant", "new_ndcg_at_10"]].tolist() == [1, 0]


def test_summarise__means_over_households() -> None:
    found = summarise(measure_lists(LISTS, TRUTH), samples=300, seed=1)["blend"]
    assert found["recall_at_10"] == 0.25
    assert found["ndcg_at_10_low"] <= found["ndcg_at_10"] <= found["ndcg_at_10_high"]


def test_coverage__share_of_the_sellable_catalog() -> None:
    assert coverage(LISTS, 8) == {"blend": 0.5}


def test_concentration__share_of_all_places_that_the_most_listed_items_take() -> None:
    # Milk twice, bread, eggs and tea once each: of five places two are milk's.
    assert concentration(LISTS, 8) == {"blend": 0.4}
    assert concentration(LISTS, 8, share=0.25) == {"blend": 0.6}


def test_item_recall__per_group() -> None:
    groups = {"milk": "dairy", "tea": "drinks", "bread": "bakery"}
    assert item_recall(LISTS, TRUTH, groups)["blend"] == {"bakery": 0.0, "dairy": 1.0, "drinks": 0.0}


def test_permuted__nobody_keeps_its_own_purchases_and_none_is_lost() -> None:
    own = Truth({str(user): {f"item {user}"} for user in range(20)}, {})
    mixed = permuted(own, seed=3)
    assert all(mixed.bought[user] != own.bought[user] for user in own.bought)
    assert sorted(map(str, mixed.bought.values())) == sorted(map(str, own.bought.values()))
    assert permuted(own, seed=3).bought == mixed.bought != permuted(own, seed=4).bought


def test_measure_permuted__judges_each_by_the_other_beside_its_own() -> None:
    rows = measure_permuted(LISTS, TRUTH, seed=1).set_index("user_id")
    # Ann is shown milk, bread, eggs and Bob bought bread; Bob is shown tea, milk, which are all that Ann bought.
    assert rows.loc["ann", "permuted_ndcg_at_10"] == pytest.approx(1 / np.log2(3))
    assert rows.loc["bob", "permuted_ndcg_at_10"] == 1.0
    assert rows.loc["bob", "ndcg_at_10"] == 0.0
