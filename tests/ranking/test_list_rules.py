from collections import Counter
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ranking.blended import top_places
from pipelines.ranking.list_rules import ListRules

SCORES = np.array([9.0, 8, 7, 6, 5, 4, 3])
KIND = np.array([1, 1, 1, 2, 2, 0, 0], np.int32)
BOUGHT = np.array([True, True, False, True, True, False, False])


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (ListRules(), [0, 1, 2, 3]),
        (ListRules(same_type_limit=1), [0, 3, 5, 6]),
        (ListRules(same_type_limit=2), [0, 1, 3, 4]),
        (ListRules(repeat_share_limit=0.5), [0, 1, 2, 5]),
        (ListRules(repeat_share_limit=0.25), [0, 2, 5, 6]),
        (ListRules(repeat_share_limit=0.0), [2, 5, 6, 0]),  # three are new: the list is filled
        (ListRules(1, 0.25), [0, 5, 6, 1]),
    ],
)
def test_choose__by_hand(rules: ListRules, expected: list[int]) -> None:
    assert rules.choose(SCORES, KIND, BOUGHT, 4).tolist() == expected


def test_choose__rounds_the_share_up() -> None:
    assert ListRules(repeat_share_limit=0.3).choose(SCORES, KIND, BOUGHT, 3).tolist() == [0, 2, 5]


def test_choose__finds_what_is_new_behind_many_repeats() -> None:
    bought = np.arange(5000) < 4990
    chosen = ListRules(repeat_share_limit=0.5).choose(
        -np.arange(5000.0), np.zeros(5000, np.int32), bought, 10
    )
    assert chosen.tolist() == [*range(5), *range(4990, 4995)]


shops = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=40
)


@given(shops, st.integers(1, 12), st.none() | st.integers(1, 4), st.none() | st.floats(0, 1))
def test_choose__keeps_its_laws(
    shop: list[tuple[int, int, bool, bool]], k: int, same_type: int | None, repeats: float | None
) -> None:
    score, kind, bought, allowed = (np.array(column) for column in zip(*shop, strict=True))
    scores = np.where(allowed, score.astype(float), -np.inf)
    chosen = ListRules(same_type, repeats).choose(scores, kind.astype(np.int32), bought, k)

    assert len(set(chosen.tolist())) == len(chosen) == min(k, int(allowed.sum()))
    assert allowed[chosen].all()
    if same_type is None and repeats is None:
        assert chosen.tolist() == top_places(scores, min(k, int(allowed.sum()))).tolist()
    most = k if repeats is None else ceil(repeats * k - 1e-9)
    kinds = Counter(kind[chosen][kind[chosen] > 0].tolist())
    broken = bought[chosen].sum() > most or max(kinds.values(), default=0) > (same_type or k)
    if broken:  # only because nothing is left that keeps the rules
        left = np.setdiff1d(np.flatnonzero(allowed), chosen)
        full = [bought[place] and bought[chosen].sum() >= most for place in left]
        of_kind = [kind[place] > 0 and kinds[int(kind[place])] >= (same_type or k) for place in left]
        assert all(one or other for one, other in zip(full, of_kind, strict=True))
