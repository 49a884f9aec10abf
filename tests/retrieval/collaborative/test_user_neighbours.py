"""User kNN on states, by hand."""

import numpy as np
import pytest

from pipelines.retrieval.collaborative.user_neighbours import UserNeighbours, UserNeighboursConfig
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance

PLAIN = UserNeighboursConfig(
    history_decay=0.5,
    history_window=2,
    future_decay=0.5,
    future_window=2,
    rarity=0.0,
    sharpness=1.0,
    damping=0.0,
)


class TestUserNeighbours(RetrieverConformance):
    make = UserNeighbours


def score(history: list[int], **chosen: float) -> list[float]:
    neighbours = UserNeighbours(UserNeighboursConfig(**(vars(PLAIN) | chosen)))
    neighbours.fit(Interactions.of([[0, 1, 2], [3, 2]], 4), seed=0)
    scores: list[float] = neighbours.score(Interactions.of([history], 4))[0].tolist()
    return scores


def test_score__a_state_votes_for_what_came_next_and_half_for_the_one_after() -> None:
    assert score([3]) == pytest.approx([0, 0, 1, 0])
    # The state (0) is the history itself; the state (1, half 0) has the cosine 0.5 / sqrt(1.25) with it.
    assert score([0]) == pytest.approx([0, 1, 0.5 + 0.5 / np.sqrt(1.25), 0])


def test_score__sharpness_is_a_power_of_the_cosine() -> None:
    assert score([0], sharpness=2.0) == pytest.approx([0, 1, 0.5 + 0.2, 0])


def test_score__of_a_longer_history_looks_at_its_last_items_most() -> None:
    # History (1, half 3): cosine with (1, half 0) is 1 / 1.25, with (3) it is 0.5 / sqrt(1.25).
    assert score([3, 1]) == pytest.approx([0, 0, 0.8 + 0.5 / np.sqrt(1.25), 0])


def test_score__popular_items_make_less_alike_and_get_less() -> None:
    assert score([3], damping=1.0) == pytest.approx([0, 0, 0.5, 0])  # item 2 has two events
    # Weighed by rarity, 2 counts a half: (2, half 3) is (0.5, 0.5), at 45 degrees from (3).
    assert score([3, 2], rarity=1.0) == pytest.approx([0, 0, np.sqrt(0.5), 0])
