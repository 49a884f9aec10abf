"""Lists of several retrievers as one, by hand, and weights that trust what predicts."""

import numpy as np
import pytest

from pipelines.ranking.candidate_lists import CandidateLists
from pipelines.ranking.components import Component
from pipelines.ranking.fitting.fusing import learn_fusion
from pipelines.ranking.fitting.weights import WeightsError
from pipelines.ranking.fusion import FORMS, Fusion, log_span, place, span

NOBODY = -np.inf


def lists_of(*rows: list[float], depth: int) -> CandidateLists:
    return CandidateLists.of(np.array(rows, np.float32), depth)


def test_lists__hold_the_best_first_and_nothing_that_is_not_ranked() -> None:
    found = lists_of([1, 4, 3, 2], [NOBODY, 1, NOBODY, NOBODY], [5, 5, 5, 5], depth=3)
    assert found.item.tolist() == [[1, 2, 3], [1, -1, -1], [0, 1, 2]]
    assert found.score[0].tolist() == [4, 3, 2]
    assert found.first(2).item.tolist() == [[1, 2], [1, -1], [0, 1]]


@pytest.mark.parametrize("depth", [1, 7, 50, 300])
def test_lists__are_those_of_a_whole_sort(depth: int) -> None:
    scores = np.round(np.random.default_rng(depth).normal(size=(20, 211)), 1).astype(np.float32)
    whole = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    assert CandidateLists.of(scores, depth).item.tolist() == whole.tolist()


def test_forms__by_hand() -> None:
    lists = lists_of([10, 5, 0], [7, NOBODY, NOBODY], [2, 2, 2], depth=3)
    assert span(lists).tolist() == [[1, 0.5, 0], [0, 0, 0], [0, 0, 0]]
    assert log_span(lists)[0].tolist() == pytest.approx([1, np.log(51) / np.log(101), 0])
    halfway = (1 / 11 - 1 / 12) / (1 / 10 - 1 / 12)
    assert place(lists)[0].tolist() == pytest.approx([1, halfway, 0])
    assert place(lists)[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("form", FORMS)
def test_forms__fall_along_the_list_from_one_to_zero(form: str) -> None:
    lists = lists_of(np.random.default_rng(1).normal(size=40).tolist(), depth=12)
    values = FORMS[form](lists)[0]
    assert (np.diff(values) < 0).all()
    assert [values[0], values[-1]] == pytest.approx([1, 0], abs=1e-6)


def test_fusion__adds_what_each_list_says() -> None:
    lists = {"one": lists_of([4, 2, 0, NOBODY], depth=3), "two": lists_of([NOBODY, 3, 0, 9], depth=3)}
    fusion = Fusion(
        {Component("one", "span"): 0.5, Component("two", "span"): 0.3, Component("two", "place"): 0.0}
    )
    assert fusion.systems == ["one", "two"]
    assert fusion.score(lists)[0].tolist() == pytest.approx([0.5, 0.25 + 0.1, NOBODY, 0.3])


def made(users: int = 400, items: int = 60) -> tuple[dict[str, CandidateLists], np.ndarray]:
    """Two retrievers that see different halves of the truth, and one that sees nothing."""
    random = np.random.default_rng(3)
    parts = random.normal(size=(2, users, items))
    target = np.argmax(parts.sum(axis=0) + random.normal(0, 0.5, (users, items)), axis=1)
    scores = {"one": parts[0], "two": 10 * parts[1], "noise": random.normal(size=(users, items))}
    return {name: CandidateLists.of(one.astype(np.float32), 30) for name, one in scores.items()}, target


def hits(fusion: Fusion, lists: dict[str, CandidateLists], target: np.ndarray) -> float:
    return float((fusion.score(lists).argmax(axis=1) == target).mean())


def test_learn_fusion__is_better_than_each_alone_on_users_it_has_not_seen() -> None:
    lists, target = made()
    half = np.arange(200)
    learned = learn_fusion({name: one.take(half) for name, one in lists.items()}, target[half], seed=1)
    rest = {name: one.take(np.arange(200, 400)) for name, one in lists.items()}
    alone = [hits(Fusion({Component(name, "span"): 1.0}), rest, target[200:]) for name in lists]
    assert hits(learned.fusion, rest, target[200:]) > 1.3 * max(alone)
    noise = sum(weight for part, weight in learned.fusion.weights.items() if part.system == "noise")
    assert noise < 0.15 * sum(learned.fusion.weights.values())


def test_learn_fusion__same_evidence_same_weights_and_halves_that_part_the_users() -> None:
    lists, target = made(60)
    first, second = (learn_fusion(lists, target, seed=1) for _ in range(2))
    assert first.fusion == second.fusion
    assert np.bincount(first.half).tolist() == [30, 30]
    assert first.halves[0] != first.halves[1]


def test_learn_fusion__tries_one_variant_when_the_time_is_over() -> None:
    lists, target = made(60)
    assert len(learn_fusion(lists, target, seed=1, is_over=lambda: True).judged) == 1
    assert len(learn_fusion(lists, target, seed=1).judged) > 2


def test_learn_fusion__of_two_users_holds_none_back() -> None:
    lists, target = made(2)
    assert learn_fusion(lists, target, seed=1).fusion.systems


def test_learn_fusion__without_any_hit_says_so() -> None:
    lists, _ = made(4)
    with pytest.raises(WeightsError, match="fit on more users"):
        learn_fusion(lists, np.full(4, 60), seed=1)
