from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ranking.list_rules import PAGE, ListRules, top_places

SCORES = np.arange(14.0)[::-1].copy()
KIND = np.array([1, 1, 1, 2, 2, 0, 0, 3, 4, 4, 5, 6, 7, 8], np.int32)
BOUGHT = np.arange(14) < 8


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (ListRules(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (ListRules(same_type_limit=2), [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]),
        (ListRules(same_type_limit=1), [0, 3, 5, 6, 7, 8, 10, 11, 12, 13]),
        (ListRules(repeat_limit=5), [0, 1, 2, 3, 4, 8, 9, 10, 11, 12]),
        (ListRules(repeat_limit=2), [0, 1, 8, 9, 10, 11, 12, 13, 2, 3]),  # six are new: the list is filled
        (ListRules(repeat_limit=0), [8, 9, 10, 11, 12, 13, 0, 1, 2, 3]),
        (ListRules(1, 3), [0, 3, 5, 8, 10, 11, 12, 13, 1, 2]),
    ],
)
def test_choose__by_hand(rules: ListRules, expected: list[int]) -> None:
    assert rules.choose(SCORES, KIND, BOUGHT, 10).tolist() == expected


def test_choose__begins_anew_after_ten_places() -> None:
    chosen = ListRules(repeat_limit=4).choose(SCORES, KIND, BOUGHT, 14).tolist()
    assert chosen == [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 4, 5, 6, 7]


def test_choose__finds_what_is_new_behind_many_repeats() -> None:
    bought = np.arange(5000) < 4990
    chosen = ListRules(repeat_limit=5).choose(-np.arange(5000.0), np.zeros(5000, np.int32), bought, 10)
    assert chosen.tolist() == [*range(5), *range(4990, 4995)]


shops = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=40
)


@given(shops, st.integers(1, 25), st.none() | st.integers(1, 4), st.none() | st.integers(0, 10))
def test_choose__keeps_its_laws(
    shop: list[tuple[int, int, bool, bool]], k: int, same_type: int | None, repeats: int | None
) -> None:
    score, kind, bought, allowed = (np.array(column) for column in zip(*shop, strict=True))
    scores = np.where(allowed, score.astype(float), -np.inf)
    rules = ListRules(same_type, repeats)
    chosen = rules.choose(scores, kind.astype(np.int32), bought, k)

    assert len(set(chosen.tolist())) == len(chosen) == min(k, int(allowed.sum()))
    assert allowed[chosen].all()
    if rules.ask_nothing:
        assert chosen.tolist() == top_places(scores, min(k, int(allowed.sum()))).tolist()
    # The list of fewer places is where that of more begins: what is judged on ten is what is shown of ten.
    for fewer in range(1, k):
        assert chosen[:fewer].tolist() == rules.choose(scores, kind.astype(np.int32), bought, fewer).tolist()

    page = chosen[:PAGE]
    most_repeats = PAGE if repeats is None else repeats
    most_of_kind = PAGE if same_type is None else same_type
    kinds = Counter(kind[page][kind[page] > 0].tolist())
    if bought[page].sum() > most_repeats or max(kinds.values(), default=0) > most_of_kind:
        # only because nothing is left that keeps the rules
        for place in np.setdiff1d(np.flatnonzero(allowed), page):
            full = kind[place] > 0 and kinds[int(kind[place])] >= most_of_kind
            assert full or (bought[place] and bought[page].sum() >= most_repeats)


@given(st.integers(1, 40), st.integers(0, 20_000), st.integers(1, 400), st.integers(0, 9))
def test_top_places__are_the_first_of_a_stable_sort(top: int, count: int, levels: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, levels, count).astype(np.float64)
    scores[scores == 0] = -np.inf
    assert top_places(scores, top).tolist() == np.argsort(-scores, kind="stable")[:top].tolist()
