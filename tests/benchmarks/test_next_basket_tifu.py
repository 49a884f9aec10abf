"""TIFU-kNN against a table worked out by hand."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.next_basket.tifu import (
    NAME,
    Choices,
    Question,
    basket_weights,
    choose,
    nearest,
    rank,
    scores,
    vectors,
)
from pipelines.evaluation.measure import Truth
from pipelines.features.histories import Histories

CHOICES = Choices(group=2, within=0.5, between=0.1, neighbours=1, own=0.75)
# Ann's three baskets: apple and bread; apple; milk. In groups of two the first basket is a group of its own.
ANN = {"a": 0.1 * 1 / 2 + 0.5 / (2 * 2), "b": 0.1 * 1 / 2, "m": 1 / (2 * 2)}
BOB = {"m": 1.0}
CAT = {"a": 0.5 / 2, "b": 1 / 2}


def histories() -> Histories:
    lines = [
        ("ann", "a", 0),
        ("ann", "b", 0),
        ("ann", "a", 1),
        ("ann", "m", 2),
        ("bob", "m", 0),
        ("cat", "a", 0),
        ("cat", "b", 1),
    ]
    users, items, baskets = (np.array(column) for column in zip(*lines, strict=True))
    return Histories.from_columns(users, items, baskets.astype(np.int64), baskets.astype(np.int32))


def dense(row: dict[str, float]) -> list[float]:
    return [row.get(item, 0.0) for item in "abm"]


def test_basket_weights__decay_within_groups_and_between_them() -> None:
    # Five baskets in groups of two: the earliest is a group of one; the third basket has two rows.
    found = basket_weights(np.array([0, 1, 2, 2, 3, 4], np.int32), group=2, within=0.5, between=0.1)
    assert found == pytest.approx(
        np.array([0.01 / 1, 0.1 * 0.5 / 2, 0.1 / 2, 0.1 / 2, 0.5 / 2, 1 / 2]) / 3, abs=1e-12
    )


def test_vectors__are_means_of_groups_of_baskets() -> None:
    found = vectors(histories(), CHOICES).toarray()
    assert found == pytest.approx(np.array([dense(ANN), dense(BOB), dense(CAT)]), abs=1e-7)


def test_nearest__is_euclidean_and_never_oneself() -> None:
    # Squared distances: Ann to Bob .59; Ann to Cat .27 (a .175, b .05, m .25 against a .25, b .5); Bob to Cat 1.31.
    shares = nearest(vectors(histories(), CHOICES), np.array([0, 1]), 1)
    assert shares.toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    everybody = nearest(vectors(histories(), CHOICES), np.array([0]), 100)
    assert everybody.toarray().tolist() == [[0, 0.5, 0.5]]


def test_scores__are_own_and_neighbours_vectors_of_what_is_sellable() -> None:
    # Nobody bought "n"; "b" is not sellable, yet it still tells who is near.
    question = Question(histories(), Truth({"ann": {"a"}}, {}), np.array(["a", "m", "n"]))
    ((_, found),) = scores(question, [CHOICES])
    expected = [0.75 * ANN["a"] + 0.25 * CAT["a"], 0.75 * ANN["m"], 0.0]
    assert found == pytest.approx(np.array([expected]), abs=1e-7)


def test_rank__lists_the_sellable_items_with_their_scores() -> None:
    question = Question(histories(), Truth({"bob": {"a"}, "cat": {"b"}}, {}), np.array(["a", "b", "m"]))
    lists = rank(question, CHOICES)
    assert lists.user_ids.tolist() == ["bob", "cat"]
    items, values = lists.systems[NAME]
    for row, score in zip(items, values, strict=True):
        assert sorted(row.tolist()) == [0, 1, 2]
        assert np.isfinite(score).all()
    bob = dict(zip(items[0].tolist(), values[0].tolist(), strict=True))
    assert bob == pytest.approx({0: 0.25 * ANN["a"], 1: 0.25 * ANN["b"], 2: 0.75 + 0.25 * ANN["m"]}, abs=1e-7)


def test_choose__takes_what_foretells_best() -> None:
    # Only a neighbour's vector puts bread before milk for Bob, who never bought it; only his own puts milk first.
    for wanted, best in (({"m"}, 1.0), ({"a", "b"}, 0.0)):
        question = Question(histories(), Truth({"bob": wanted}, {}), np.array(["a", "b", "m"]))
        chosen, reached = choose(question, [Choices(2, 0.5, 0.1, 2, 0.0)], [(2, 1.0)])
        assert chosen == Choices(2, 0.5, 0.1, 2, best)
        assert 0 < reached <= 1


def test_choose__takes_the_best_decays_first() -> None:
    # Ann bought apple twice and milk last: milk leads where what is old hardly counts.
    question = Question(histories(), Truth({"ann": {"m"}}, {}), np.array(["a", "b", "m"]))
    decays = [Choices(2, 1.0, 1.0, 1, 1.0), Choices(1, 1.0, 0.1, 1, 1.0)]
    assert choose(question, decays, [])[0] == decays[1]
    assert choose(question, decays[::-1], [])[0] == decays[1]


def test_scores__share_work_and_still_answer_each_choice() -> None:
    grid = tuple(
        Choices(2, 0.5, between, count, own) for between in (0.1, 0.9) for count in (1, 2) for own in (0, 1)
    )
    question = Question(histories(), Truth({"ann": {"a"}}, {}), np.array(["a", "b", "m"]))
    found = dict(scores(question, grid))
    assert set(found) == set(grid)
    for one in grid:
        ((_, alone),) = scores(question, [one])
        assert np.array_equal(alone, found[one])
    assert any(not np.array_equal(found[one], found[other]) for one, other in pairwise(grid))
