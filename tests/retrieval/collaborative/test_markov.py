"""Markov transitions, by hand."""

import numpy as np
import pytest

from pipelines.retrieval.collaborative.markov import Markov, MarkovConfig, count_pairs
from pipelines.retrieval.collaborative.matrices import moments_of
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance

PLAIN = MarkovConfig(
    pair_decay=0.5,
    pair_window=2,
    history_decay=0.5,
    history_window=2,
    reverse=0.0,
    smoothing=0.0,
    normalisation=1.0,
    damping=0.0,
)


class TestMarkov(RetrieverConformance):
    make = Markov


def test_count_pairs__fade_with_the_steps_between_and_never_cross_users() -> None:
    pairs = count_pairs(moments_of(Interactions.of([[0, 1, 2, 0], [2, 1]], 3)), 0.5, 2)
    # 0→1, 1→2, 2→0 and 2→1 count 1; 0→2 and 1→0, two steps apart, count a half.
    assert pairs.toarray().tolist() == [[0, 1, 0.5], [0.5, 0, 1], [1, 1, 0]]


def test_count_pairs__items_of_one_basket_never_lead_to_each_other() -> None:
    basket = Interactions(np.array([0, 3]), np.array([0, 1, 2], np.int32), np.array([1.0, 1, 4]), 3)
    assert count_pairs(moments_of(basket), 0.5, 2).toarray().tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


def fitted(**chosen: float) -> Markov:
    markov = Markov(MarkovConfig(**(vars(PLAIN) | chosen)))
    markov.fit(Interactions.of([[0, 1, 2, 0], [2, 1]], 3), seed=0)
    return markov


def test_score__sums_the_shares_of_followers_over_the_history() -> None:
    scores = fitted().score(Interactions.of([[2], [0, 1]], 3))
    # After 2: 0 and 1 alike. After 1: 0 a third, 2 two thirds; before it 0, at half weight: 1 two thirds, 2 a third.
    assert scores[0].tolist() == pytest.approx([1 / 2, 1 / 2, 0])
    assert scores[1].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3 + 1 / 6])


def test_score__reverse_also_counts_what_came_before() -> None:
    # Into 2 came 1 with weight 1 and 0 with a half; half of that counts, then all is divided by 2 + 0.75.
    scores = fitted(reverse=0.5).score(Interactions.of([[2]], 3))
    assert scores[0].tolist() == pytest.approx([1.25 / 2.75, 1.5 / 2.75, 0])


def test_score__smoothing_and_damping_hold_back_the_rare_and_the_popular() -> None:
    assert fitted(smoothing=2.0).score(Interactions.of([[2]], 3))[0].tolist() == pytest.approx(
        [1 / 4, 1 / 4, 0]
    )
    assert fitted(normalisation=0.0).score(Interactions.of([[2]], 3))[0].tolist() == pytest.approx([1, 1, 0])
    halved = fitted(damping=1.0).score(Interactions.of([[2]], 3))[0]
    assert halved.tolist() == pytest.approx([1 / 4, 1 / 4, 0])  # each of the three items has two events
