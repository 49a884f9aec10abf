"""Qualities of lists, worked out by hand."""

import numpy as np
import pytest

from pipelines.evaluation.list_quality import ListQuality
from pipelines.evaluation.sequence_slices import slices_of
from pipelines.retrieval.interactions import Interactions

# Item 0 was touched by all four, 1 and 2 by the same two, 3 by one other, 4 by nobody.
TRAIN = Interactions.of([[0, 1, 2], [0, 1, 2], [0, 3], [0]], 5)
QUALITY = ListQuality(TRAIN)


def lists(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int32)


def test_coverage__is_the_share_of_the_catalog() -> None:
    assert QUALITY.coverage(lists([0, 1], [1, -1])) == 0.4


def test_novelty__is_self_information_in_bits() -> None:
    # Five of five, and one of five: a count is raised by one, as are the users.
    assert QUALITY.novelty(lists([0, -1])) == 0.0
    assert QUALITY.novelty(lists([0, 4])) == pytest.approx(np.log2(5) / 2)


def test_popularity_lift__compares_with_the_histories() -> None:
    histories = Interactions.of([[1], [3, 3]], 5)  # counts 2, 1 and 1
    assert QUALITY.popularity_lift(lists([0, 1], [0, 1]), histories) == pytest.approx(3 / (4 / 3) - 1)
    assert QUALITY.popularity_lift(lists([1]), Interactions.of([[2]], 5)) == 0.0


def test_diversity__is_one_minus_the_mean_cosine() -> None:
    assert QUALITY.diversity(lists([1, 2])) == pytest.approx(0.0, abs=1e-6)
    assert QUALITY.diversity(lists([1, 3])) == pytest.approx(1.0)
    # Cosines of (0, 1), (0, 3) and (1, 3): 2 / sqrt(4 * 2), 1 / sqrt(4), 0.
    assert QUALITY.diversity(lists([0, 1, 3])) == pytest.approx(1 - (np.sqrt(0.5) + 0.5) / 3)
    assert QUALITY.diversity(lists([1, -1])) == 0.0


def test_quality__of_nothing_is_nothing() -> None:
    nothing = QUALITY.judge(lists([-1, -1]), Interactions.of([[]], 5))
    assert set(nothing.values()) == {0.0}


def test_slices__cut_by_history_and_by_popularity_of_the_target() -> None:
    # Nine events; the head is what makes up half of them: items 0 (4) and 1 (2, from event 4 on).
    histories = Interactions.of([[1] * 4, [1] * 5, [1] * 10, [0]], 5)
    found = slices_of(TRAIN, histories, np.array([1, 2, 4, 0]))
    assert {name: np.flatnonzero(members).tolist() for name, members in found.items()} == {
        "history under 5": [0, 3],
        "history 5 to 9": [1],
        "history from 10": [2],
        "target of the head": [0, 3],
        "target of the tail": [1],
        "target never learned": [2],
    }
