"""Interactions: rows are cut and counted as by hand."""

import numpy as np

from pipelines.retrieval.interactions import Interactions

ROWS = Interactions.of([[4, 2, 2], [], [1], [0, 3]], 5)


def rows_of(interactions: Interactions) -> list[list[int]]:
    return [interactions.row(user).tolist() for user in range(len(interactions))]


def test_of__keeps_rows_and_gives_each_event_a_moment() -> None:
    assert rows_of(ROWS) == [[4, 2, 2], [], [1], [0, 3]]
    assert ROWS.moment.tolist() == [0, 1, 2, 0, 0, 1]
    assert ROWS.user.tolist() == [0, 0, 0, 2, 3, 3]
    assert ROWS.lengths.tolist() == [3, 0, 1, 2]


def test_without_last__leaves_short_rows_empty() -> None:
    assert rows_of(ROWS.without_last(1)) == [[4, 2], [], [], [0]]
    assert rows_of(ROWS.without_last(2)) == [[4], [], [], []]


def test_latest__keeps_the_end_of_each_row() -> None:
    assert rows_of(ROWS.latest(2)) == [[2, 2], [], [1], [0, 3]]
    assert ROWS.latest(1).moment.tolist() == [2, 0, 1]


def test_from_end__says_where_a_row_is_too_short() -> None:
    assert ROWS.from_end(1).tolist() == [2, -1, 1, 3]
    assert ROWS.from_end(2).tolist() == [2, -1, -1, 0]


def test_take__keeps_the_given_order() -> None:
    assert rows_of(ROWS.take(np.array([3, 1, 0]))) == [[0, 3], [], [4, 2, 2]]


def test_steps_back__counts_moments_not_events() -> None:
    assert ROWS.steps_back.tolist() == [3, 2, 1, 1, 2, 1]
    baskets = Interactions(
        np.array([0, 3, 5]), np.array([1, 2, 3, 4, 0], np.int32), np.array([5.0, 5, 9, 9, 9]), 5
    )
    assert baskets.steps_back.tolist() == [2, 2, 1, 1, 1]


def test_rows__of_nobody_are_nothing() -> None:
    nobody = Interactions.of([], 3)
    assert len(nobody) == 0
    assert nobody.steps_back.tolist() == []
    assert len(nobody.without_last(1)) == 0
