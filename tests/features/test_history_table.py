"""The features of what a shopper bought, against a calculation by hand and against plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.features.shopper import (
    HISTORY_FEATURES,
    WEEKLY_DECAYS,
    basket_ranks,
    context_table,
    history_table,
    runs,
)

Event = tuple[int, int, float, int]  # shopper, key, days ago, baskets after
KEYS = 5
SHOPPERS = st.lists(
    st.lists(st.tuples(st.integers(0, KEYS - 1), st.floats(0, 300, width=32)), min_size=1, max_size=12),
    min_size=1,
    max_size=4,
)


def events_of(shoppers: list[list[tuple[int, float]]]) -> list[Event]:
    """Each purchase of a shopper is a basket of its own."""
    found = []
    for shopper, bought in enumerate(shoppers):
        oldest_first = sorted(bought, key=lambda one: -one[1])
        found += [(shopper, key, age, len(bought) - 1 - at) for at, (key, age) in enumerate(oldest_first)]
    return found


def by_hand(ages: list[float], ranks: list[int]) -> list[float]:
    """Features of one key of one shopper, oldest purchase first."""
    count, first, last = len(ages), ages[0], ages[-1]
    gap = (first - last) / (count - 1) if count > 1 else 0.0
    last_gap = ages[-2] - last if count > 1 else 0.0
    decayed = [math.log(sum(decay ** (age / 7) for age in ages) + 0.02) for decay in WEEKLY_DECAYS]
    due = math.log((last + 1) / (gap + 1)) if count > 1 else 0.0
    times = [math.log1p(gap), float(count > 1), due, math.log1p(last_gap)]
    baskets = [math.log1p(ranks[-1]), math.log(count / (ranks[0] + 1))]
    return [math.log1p(count), math.log1p(last), math.log1p(first), *decayed, *times, *baskets]


def table_of(events: list[Event], keys: int = KEYS):
    group, key, age, rank = (np.array(column) for column in zip(*events, strict=True))
    return history_table(group, key, age, rank, keys)


@given(SHOPPERS)
def test_history_table__is_what_plain_python_makes_of_it(shoppers: list[list[tuple[int, float]]]) -> None:
    events = events_of(shoppers)
    wanted: dict[tuple[int, int], list[Event]] = {}
    for event in events:
        wanted.setdefault(event[:2], []).append(event)
    table = table_of(events)
    assert list(zip(table.group.tolist(), table.key.tolist(), strict=True)) == sorted(wanted)
    for row, of in enumerate(sorted(wanted)):
        mine = wanted[of]
        expected = by_hand([event[2] for event in mine], [event[3] for event in mine])
        np.testing.assert_allclose(table.features[row], expected, rtol=1e-4, atol=2e-5, err_msg=str(of))
    rows = [sorted(wanted).index(event[:2]) for event in events]
    assert table.row_of_event.tolist() == rows


def test_history_table__by_hand() -> None:
    table = table_of([(0, 3, 21.0, 1), (0, 3, 7.0, 0)])
    found = dict(zip(HISTORY_FEATURES, table.features[0].tolist(), strict=True))
    assert found["log_count"] == pytest.approx(math.log(3))
    assert found["decayed_50"] == pytest.approx(math.log(0.5**3 + 0.5 + 0.02))
    assert found["log_mean_gap"] == found["log_last_gap"] == pytest.approx(math.log(15))
    assert found["log_share_of_baskets"] == pytest.approx(0.0)


def test_history_table__of_numbers_too_large_for_one_word_with_their_places_is_the_same() -> None:
    events = [(0, 2, 9.0, 2), (0, 1, 5.0, 1), (0, 2, 3.0, 0), (1, 0, 4.0, 0)]
    small, large = table_of(events), table_of(events, keys=2**61)
    assert large.key.tolist() == small.key.tolist() == [1, 2, 0]
    assert large.row_of_event.tolist() == small.row_of_event.tolist() == [1, 0, 1, 2]
    np.testing.assert_array_equal(large.features, small.features)


def test_tables__of_nobody_are_empty() -> None:
    nothing = np.zeros(0, np.int64)
    assert history_table(nothing, nothing, nothing, nothing, KEYS).features.shape == (
        0,
        len(HISTORY_FEATURES),
    )
    assert basket_ranks(nothing, nothing).shape == (0,)
    assert not context_table(nothing, nothing, nothing, 2).any()


def test_basket_ranks__count_the_baskets_that_came_after() -> None:
    group, basket = np.array([0, 0, 0, 1, 1]), np.array([4, 4, 6, 7, 9])
    assert basket_ranks(group, basket).tolist() == [1, 1, 0, 1, 0]


def test_context_table__by_hand() -> None:
    """Two baskets of three lines, one of them in the last four weeks; the second shopper bought once."""
    group, age, rank = np.array([0, 0, 0, 1]), np.array([40.0, 40.0, 2.0, 9.0]), np.array([1, 1, 0, 0])
    found = np.expm1(context_table(group, age, rank, 3))
    np.testing.assert_allclose(found[0], [2, 3, 2, 40, 1.5, 1], rtol=1e-5)
    np.testing.assert_allclose(found[1], [1, 1, 9, 9, 1, 1], rtol=1e-5)
    assert not found[2].any()


def test_runs__are_told_by_their_first_and_last_position() -> None:
    starts, ends = runs(np.array([5, 5, 2, 5]))
    assert (starts.tolist(), ends.tolist()) == ([0, 2, 3], [1, 2, 3])
    starts, ends = runs(np.array([1]))
    assert (starts.tolist(), ends.tolist()) == ([0], [0])
