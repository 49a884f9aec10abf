"""Item kNN, by hand."""

import pytest

from pipelines.retrieval.collaborative.item_neighbours import ItemNeighbours, ItemNeighboursConfig
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance

COSINE = ItemNeighboursConfig(
    history_decay=0.5,
    history_window=2,
    length_damping=0.0,
    shrinkage=0.0,
    normalisation=0.5,
    damping=0.5,
)


class TestItemNeighbours(RetrieverConformance):
    make = ItemNeighbours


def score(history: list[int], **chosen: float) -> list[float]:
    neighbours = ItemNeighbours(ItemNeighboursConfig(**(vars(COSINE) | chosen)))
    neighbours.fit(Interactions.of([[0, 1, 1], [0, 1, 2], [0], [0]], 4), seed=0)
    scores: list[float] = neighbours.score(Interactions.of([history], 4))[0].tolist()
    return scores


def test_score__is_the_cosine_and_an_item_is_not_its_own_neighbour() -> None:
    # Holders: 0 four, 1 two, 2 one; a repeat within a history adds nothing.
    assert score([1]) == pytest.approx([2 / 8**0.5, 0, 1 / 2**0.5, 0])
    assert score([3]) == [0, 0, 0, 0]


def test_score__sums_over_the_history_the_latest_most() -> None:
    assert score([2, 1]) == pytest.approx([2 / 8**0.5 + 0.25, 0.5 / 2**0.5, 1 / 2**0.5, 0])


def test_score__long_histories_and_rare_items_say_less() -> None:
    # Two items share a half, three a third: together 0 and 1 have 1/2 + 1/3, which is also all that 1 has.
    damped = score([1], length_damping=1.0, normalisation=1.0, damping=0.0)
    assert damped == pytest.approx([1, 0, (1 / 3) / (5 / 6), 0])
    assert score([1], shrinkage=2.0, normalisation=1.0, damping=0.0) == pytest.approx([2 / 4, 0, 1 / 4, 0])
