"""The sequential ridge, against a dense solution and by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.retrieval.collaborative.ease import CatalogTooLargeError, Ease, EaseConfig, strongest
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance

PLAIN = EaseConfig(
    past_decay=0.5,
    past_window=2,
    future_decay=0.5,
    future_window=1,
    history_decay=0.5,
    reverse=0.0,
    regularisation=1.0,
    emphasis=0.0,
    damping=0.0,
)


class TestEase(RetrieverConformance):
    make = Ease


def scores_of(config: EaseConfig, histories: list[list[int]]) -> list[list[float]]:
    ease = Ease(config)
    ease.fit(Interactions.of([[0, 1, 2], [0, 2]], 4), seed=0)
    scores: list[list[float]] = ease.score(Interactions.of(histories, 4)).tolist()
    return scores


def test_score__is_the_ridge_regression_of_the_next_item_on_the_decayed_past() -> None:
    past = np.array([[1, 0, 0, 0], [0.5, 1, 0, 0], [1, 0, 0, 0]])
    following = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]])
    weights = np.linalg.solve(past.T @ past + np.eye(4), past.T @ following)
    found = scores_of(PLAIN, [[0], [0, 1], [3]])
    assert found[0] == pytest.approx(weights[0].tolist(), abs=2e-3)
    assert found[1] == pytest.approx((weights[1] + 0.5 * weights[0]).tolist(), abs=2e-3)
    assert found[2] == [0, 0, 0, 0]


def test_score__of_a_single_state_by_hand() -> None:
    # One state, item 0 with weight 1, and item 1 after it: 1 / (1 + penalty).
    ease = Ease(replace(PLAIN, regularisation=3.0))
    ease.fit(Interactions.of([[0, 1]], 2), seed=0)
    assert ease.score(Interactions.of([[0], [1]], 2)).tolist() == [pytest.approx([0, 0.25]), [0, 0]]


def test_score__damping_and_emphasis_multiply() -> None:
    plain, damped = scores_of(PLAIN, [[0]])[0], scores_of(replace(PLAIN, damping=1.0), [[0]])[0]
    assert damped == pytest.approx([0, plain[1], plain[2] / 2, 0])  # item 2 has two events, item 1 one
    emphasised = scores_of(replace(PLAIN, emphasis=1.0), [[0]])[0]
    assert emphasised == pytest.approx([value * (1 + 0.25 + 1 + 1) for value in plain])


def test_strongest__keeps_the_largest_of_either_sign() -> None:
    rows = np.array([[0.1, -3.0, 2.0, 0.5]], np.float32)
    assert strongest(rows, 2).toarray().tolist() == [[0, -3, 2, 0]]
    assert strongest(rows, 9).toarray().tolist() == rows.tolist()


def test_fit__refuses_a_catalog_too_large_and_says_the_limit() -> None:
    with pytest.raises(CatalogTooLargeError, match=r"11 items, more than the 10 of most_items.*take markov"):
        Ease(EaseConfig(most_items=10)).fit(Interactions.of([[0, 1]], 11), seed=0)
