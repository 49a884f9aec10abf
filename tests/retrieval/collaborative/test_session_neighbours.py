"""Neighbouring sessions: weights worked out by hand on three sessions."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.retrieval.collaborative import session_neighbours
from pipelines.retrieval.collaborative.session_neighbours import SessionNeighbours, SessionNeighboursConfig
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores
from tests.retrieval.conformance import ITEMS, RetrieverConformance, ring_walks

PLAIN = SessionNeighboursConfig(
    history_decay=0.5,
    rarity=0.0,
    sharpness=1.0,
    latest_decay=1.0,
    length_damping=0.0,
    aging=0.0,
    after_decay=0.5,
    before_share=0.25,
    before_decay=0.5,
    same_share=0.0,
    candidate_rarity=0.0,
    repeat_share=0.0,
)
"""Every weight is a fraction that one can follow."""

TRAIN = Interactions.of([[0, 1, 2, 3], [1, 4], [5, 0]], 7)


class TestConformance(RetrieverConformance):
    make = SessionNeighbours


def scores_of(history: list[int], train: Interactions = TRAIN, **changed: float) -> Scores:
    retriever = SessionNeighbours(replace(PLAIN, **changed))  # type: ignore[arg-type]
    retriever.fit(train, seed=0)
    return retriever.score(Interactions.of([history], train.items))[0]


def test_score__halves_with_each_step_from_the_shared_item() -> None:
    assert scores_of([1]).tolist() == [0.25, 0, 1, 0.5, 1, 0, 0]


def test_score__weighs_neighbours_by_their_share_of_the_history() -> None:
    # The history weighs 0.5 + 1. The first row holds both items, the others one each; the latest shared item anchors.
    found = scores_of([0, 1])
    assert found == pytest.approx([0.25, 0, 1, 0.5, 2 / 3, 0.25 / 3, 0])


def test_score__anchors_at_the_latest_place_of_the_shared_item() -> None:
    assert scores_of([1], Interactions.of([[1, 2, 1, 3]], 4)).tolist() == [0, 0.125, 0.25, 1]


def test_score__counts_a_shared_item_once() -> None:
    repeating = Interactions.of([[0, 2, 0, 4], [1, 0, 5]], 6)
    found = scores_of([1, 0], repeating)
    assert found[4] == pytest.approx(2 / 3)
    assert found[5] == pytest.approx(1.0)


def test_score__halves_what_was_shared_a_step_earlier() -> None:
    assert scores_of([5, 6], latest_decay=0.5)[0] == pytest.approx(scores_of([5, 6])[0] / 2)


def test_score__raises_similarity_to_a_power() -> None:
    assert scores_of([0, 1], sharpness=2.0)[4] == pytest.approx(4 / 9)


def test_score__makes_rows_age_and_long_ones_count_less() -> None:
    assert scores_of([1], aging=3.0)[[2, 4]] == pytest.approx(np.exp([-2.0, -1.0]))
    assert scores_of([1], length_damping=1.0)[[2, 4]] == pytest.approx([1 / 4, 1 / 2])


def test_score__asks_only_the_nearest() -> None:
    assert scores_of([0, 1], neighbours=1).tolist() == [0.25, 0, 1, 0.5, 0, 0, 0]


def test_score__looks_back_so_far_and_no_further() -> None:
    assert scores_of([5, 1], history_window=1).tolist() == scores_of([1]).tolist()


def test_score__proposes_the_history_itself() -> None:
    # Two neighbours of weight 1: the latest item gets a quarter of 2, what is one step earlier half of that.
    assert scores_of([6, 1], repeat_share=0.25, repeat_decay=0.5, rarity=0.0)[[1, 6]] == pytest.approx(
        [0.25 * 4 / 3, 0.125 * 4 / 3]
    )
    assert (
        scores_of([6], repeat_share=0.25)[6] == 0.25
    )  # nobody knows it: there is nothing to take a share of


def test_score__weighs_rare_items_more() -> None:
    # 1 is held by two of three rows, 5 by one: ln(1 + 3/2) and ln(1 + 3).
    found = scores_of([5, 1], rarity=1.0)
    five, one = 0.5 * np.log(4.0), np.log(2.5)
    assert found[[4, 0]] == pytest.approx([one / (one + five), (five + 0.25 * one) / (one + five)])
    assert scores_of([1], candidate_rarity=1.0)[4] == pytest.approx(np.log(4.0))


def test_score__takes_what_shares_the_moment_as_the_same_place() -> None:
    basket = Interactions(np.array([0, 3]), np.array([0, 1, 2], np.int32), np.array([5.0, 5.0, 9.0]), 3)
    assert scores_of([0], basket, same_share=0.75).tolist() == [0.75, 0.75, 1.0]


def test_score__in_small_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = SessionNeighbours()
    retriever.fit(ring_walks(), seed=0)
    histories = Interactions.of([[1, 2, 3], [4], [], [5, 6, 5]], ITEMS)
    whole = retriever.score(histories)
    monkeypatch.setattr(session_neighbours, "MATCHES", 10)
    assert np.array_equal(retriever.score(histories), whole)
