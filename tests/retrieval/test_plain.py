"""The generators without gradients, by hand."""

import numpy as np
import pytest

from pipelines.retrieval.frequency import score_due, score_frequency
from pipelines.retrieval.markov import Transitions
from pipelines.retrieval.neighbours import Neighbours
from pipelines.retrieval.rows import gather_rows


def test_score_frequency__fades_with_the_weeks() -> None:
    item, age = np.array([0, 0, 2]), np.array([7.0, 14.0, 0.0])
    assert score_frequency(item, age, 3, 0.9).tolist() == pytest.approx([0.9 + 0.81, 0, 1])
    assert score_frequency(item, age, 3, 1.0).tolist() == [2, 0, 1]


def test_score_due__what_is_due_now_goes_before_what_was_just_bought() -> None:
    # Both twice, ten days apart; item 0 last ten days ago, item 1 today.
    item, age = np.array([0, 0, 1, 1]), np.array([20.0, 10.0, 10.0, 0.0])
    scores = score_due(item, age, 2)
    assert scores[0] > scores[1]
    damping = np.exp(-0.5 * np.log(3.5 / 13.5) ** 2)
    assert scores[1] == pytest.approx((0.95 ** (10 / 7) + 1) * damping)


def test_gather_rows__in_the_wanted_order() -> None:
    spots, lengths = gather_rows(np.array([0, 2, 2, 5]), np.array([2, 0, 1]))
    assert (spots.tolist(), lengths.tolist()) == ([2, 3, 4, 0, 1], [3, 2, 0])


def test_transitions__recent_purchases_lead_on_older_ones_do_not() -> None:
    chain = Transitions(
        np.array([0, 2, 3, 3]), np.array([1, 2, 2], np.int32), np.array([0.5, 0.25, 1.0], np.float32)
    )
    item, age = np.array([0, 1, 1]), np.array([7.0, 0.0, 100.0])
    assert chain.score(item, age).tolist() == pytest.approx([0, 0.25, 0.125 + 1.0])
    assert chain.strongest_source(item, age, 2) == 1
    assert chain.strongest_source(item, age, 0) is None


def test_neighbours__the_like_vote_and_the_own_profile_does_not() -> None:
    # Profile 0 holds items 0 and 1 evenly, profile 1 only item 2; the shopper bought item 0.
    root = np.float32(np.sqrt(0.5))
    model = Neighbours(
        item_offsets=np.array([0, 1, 2, 3]),
        profile=np.array([0, 0, 1], np.int32),
        likeness=np.array([root, root, 1.0], np.float32),
        inverse_frequency=np.ones(3, np.float32),
        profile_offsets=np.array([0, 2, 3]),
        item=np.array([0, 1, 2], np.int32),
        vote=np.array([0.5, 0.5, 1.0], np.float32),
        decay=np.array([0.95]),
        count=np.array([2]),
    )
    assert model.score(np.array([0]), np.array([0.0])).tolist() == pytest.approx([root / 2, root / 2, 0])
    assert model.score(np.array([2]), np.array([0.0])).tolist() == [0, 0, 0]
