"""Learning the weights of a blend."""

import numpy as np
import pytest

from pipelines.ranking.components import Component, known_places, normalise
from pipelines.ranking.fitting.weights import WeightsError, candidate_sets, learn_blend, ndcg

GOOD, NOISE = Component("good", "share"), Component("noise", "share")


def scored(shoppers: int = 60):
    random = np.random.default_rng(2)
    for _ in range(shoppers):
        truth = random.random(50)
        bought = np.sort(np.argsort(-truth)[:5])
        good = truth + random.normal(0, 0.15, 50)
        yield {"good": good - good.min(), "noise": random.random(50)}, bought


def test_learn_blend__trusts_what_predicts() -> None:
    sets = candidate_sets(scored(), [GOOD, NOISE], 20)
    weights = learn_blend(sets, 1e-4)
    assert weights[0] > 5 * weights[1]
    assert ndcg(sets.values @ weights, sets) >= ndcg(sets.values[:, :, 0], sets)


def test_learn_blend__same_evidence_same_weights() -> None:
    first, second = (learn_blend(candidate_sets(scored(), [GOOD, NOISE], 20), 1e-4) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_only__keeps_the_named_components_in_their_order() -> None:
    sets = candidate_sets(scored(3), [GOOD, NOISE], 20)
    assert np.array_equal(sets.only([1, 0]).values, sets.values[:, :, ::-1])
    assert np.array_equal(sets.only([1]).values[:, :, 0], sets.values[:, :, 1])


def test_candidate_sets__nobody_to_learn_from_says_so() -> None:
    with pytest.raises(WeightsError, match="land more weeks"):
        candidate_sets([], [GOOD], 10)


@pytest.mark.parametrize("scale", ["share", "log", "logit"])
def test_normalise__keeps_the_order_and_tops_out_at_one(scale: str) -> None:
    scores = np.array([0.0, 3.0, 1.0, 2.0])
    found = normalise(scores, scale)
    assert np.argsort(found).tolist() == np.argsort(scores).tolist()
    assert found.max() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("scale", ["share", "log"])
def test_normalise__zero_stays_zero_so_that_it_can_be_left_out(scale: str) -> None:
    scores = np.array([0.0, 3.0, 0.0, 2.0])
    whole = normalise(scores, scale)
    assert whole[[0, 2]].tolist() == [0.0, 0.0]
    assert normalise(scores, scale, np.flatnonzero(scores)).tolist() == whole[[1, 3]].tolist()


def test_normalise__refuses_an_unknown_scale() -> None:
    with pytest.raises(ValueError, match="share, log or logit, found 'rank'"):
        normalise(np.ones(2), "rank")


def test_known_places__are_those_above_zero_and_all_when_scores_go_below() -> None:
    assert known_places(np.array([0.0, 2.0, 0.0])).tolist() == [1]
    assert known_places(np.array([0.0, 2.0, -1.0])).tolist() == [0, 1, 2]
