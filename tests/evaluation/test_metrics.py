"""Metrics against results worked out by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from pipelines.metrics import hit_at_k, mrr_at_k, ndcg_at_k, recall_at_k, relevant_ranks


def ranks_of(scores: dict[str, float], relevant: set[str]) -> np.ndarray:
    return relevant_ranks(np.array(list(scores)), np.array(list(scores.values())), relevant)


def test_relevant_ranks__orders_by_score_not_by_place() -> None:
    assert ranks_of({"a": 1.0, "b": 3.0, "c": 2.0}, {"a", "b"}).tolist() == [1, 3]


def test_relevant_ranks__a_tie_counts_against_the_system() -> None:
    assert ranks_of({"a": 1.0, "b": 1.0, "c": 1.0}, {"a"}).tolist() == [3]


def test_ndcg__by_hand() -> None:
    # Relevant at places 1 and 3 of 3 relevant: (1 + 1/2) / (1 + 1/log2(3) + 1/2)
    expected = 1.5 / (1.0 + 1.0 / np.log2(3) + 0.5)
    assert ndcg_at_k(np.array([1, 3]), 3, 10) == pytest.approx(expected)


def test_metrics__nothing_found() -> None:
    nothing = np.array([], int)
    assert (
        ndcg_at_k(nothing, 4, 10),
        recall_at_k(nothing, 4, 10),
        mrr_at_k(nothing, 10),
        hit_at_k(nothing, 10),
    ) == (
        0.0,
        0.0,
        0.0,
        0.0,
    )


@given(
    scores=st.lists(st.integers(0, 10_000), min_size=2, max_size=30, unique=True),
    bought=st.sets(st.integers(0, 29), min_size=1, max_size=8),
)
def test_ndcg__agrees_with_scikit_learn_where_nothing_ties(scores: list[int], bought: set[int]) -> None:
    bought = {item % len(scores) for item in bought}
    gains = np.array([[place in bought for place in range(len(scores))]], float)
    items = {f"i{place}": float(score) for place, score in enumerate(scores)}
    ranks = ranks_of(items, {f"i{place}" for place in bought})
    assert ndcg_at_k(ranks, len(bought), 10) == pytest.approx(
        ndcg_score(gains, np.array([scores], float), k=10)
    )


def test_recall_and_mrr__by_hand() -> None:
    ranks = np.array([4, 10, 11])
    assert recall_at_k(ranks, 6, 10) == pytest.approx(2 / 6)
    assert mrr_at_k(ranks, 10) == pytest.approx(1 / 4)
    assert mrr_at_k(np.array([11]), 10) == 0.0
