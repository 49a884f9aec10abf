"""The generators without gradients, by hand."""

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from pipelines.features.purchases import Purchases
from pipelines.params import Als
from pipelines.retrieval.factors import Factors
from pipelines.retrieval.fitting.baselines import fit_factors
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


def test_factors__a_shopper_is_solved_for_from_the_purchases() -> None:
    # One factor: the vector of a shopper of item 0 is (1 + 2) * 1 / (gram + 2 * 1 * 1), gram being 1 + 4 + 1 of reg.
    model = Factors(
        np.array([[1.0], [2.0], [-1.0]], np.float32), np.array([[7.0]]), np.array([0.5]), np.array([2.0])
    )
    assert model.score(np.array([0]), np.array([0.0])).tolist() == pytest.approx([3 / 9, 6 / 9, 0])
    # A week later the purchase counts half: (1 + 1) * 1 / (7 + 1).
    assert model.score(np.array([0]), np.array([7.0]))[0] == pytest.approx(2 / 8)


def test_fit_factors__known_shoppers_get_the_vector_that_the_fit_gives_them() -> None:
    generator = np.random.default_rng(3)
    shopper, item = np.repeat(np.arange(30), 8), generator.integers(0, 12, 240)
    purchases = Purchases(
        shopper=shopper.astype(np.int32),
        item=item.astype(np.int32),
        basket=np.arange(240, dtype=np.int32),
        day=-generator.uniform(0, 60, 240),
        week=np.zeros(240, np.int32),
        user_ids=np.arange(30).astype(str),
        item_ids=np.arange(12).astype(str),
        item_type=np.zeros(12, np.int32),
        moment_week=1,
        reach=np.zeros((2, 12), np.float32),
    )
    choices = Als(factors=4, iterations=5, regularization=0.5, alpha=2.0, decay=0.9, seed=1)
    model = fit_factors(choices, purchases)

    mine = shopper == 5
    weight = np.bincount(item[mine], 2.0 * 0.9 ** (-purchases.day[mine] / 7), 12)
    confidence = sparse.csr_matrix(np.where(weight > 0, 1 + weight, 0).astype(np.float32))
    with threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(factors=4, regularization=0.5, alpha=1.0)
        theirs.item_factors = model.vectors
        expected = model.vectors @ theirs.recalculate_user(0, confidence)
    found = model.score(item[mine], -purchases.day[mine])
    assert found == pytest.approx(np.maximum(expected, 0), abs=1e-4)
    assert (fit_factors(choices, purchases).vectors == model.vectors).all()
