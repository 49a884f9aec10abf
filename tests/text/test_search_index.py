"""The index against BM25 computed from its formula."""

from collections import Counter
from math import log1p
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain import BundleError
from pipelines.text.search_index import SearchIndex

SHOP = ["Green tea", "Black tea tea", "Milk", "Tea pot, black", "茶 green"]


def bm25(texts: list[str], words: list[str]) -> list[float]:
    """Word by word, from the formula; ``texts`` of plain words with spaces between."""
    split = [text.split() for text in texts]
    mean = sum(map(len, split)) / len(split)
    total = [0.0] * len(texts)
    for word in dict.fromkeys(words):
        holders = sum(word in one for one in split)
        rarity = log1p((len(texts) - holders + 0.5) / (holders + 0.5))
        for place, one in enumerate(split):
            times = Counter(one)[word]
            total[place] += (
                rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(one) / mean)) if times else 0.0
            )
    return total


def test_score__is_bm25() -> None:
    texts = ["green tea", "black tea tea", "milk", "tea pot black", "green"]
    found = SearchIndex.of(texts).score("black TEA")
    assert found == pytest.approx(bm25(texts, ["black", "tea"]), abs=1e-6)
    assert int(np.argmax(found)) == 1


words = st.sampled_from(["ant", "bee", "cat", "dog"])


@given(
    st.lists(st.lists(words, min_size=1, max_size=5).map(" ".join), min_size=1, max_size=8),
    st.lists(words, max_size=4),
)
def test_score__is_bm25_of_any_catalog(texts: list[str], query: list[str]) -> None:
    found = SearchIndex.of(texts).score(" ".join(query))
    assert found == pytest.approx(bm25(texts, query), abs=1e-5)


def matching(query: str) -> list[int]:
    return np.flatnonzero(SearchIndex.of(SHOP).score(query)).tolist()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tea", [0, 1, 3]),
        ("te", [0, 1, 3]),  # unfinished
        ("green te", [0, 1, 3, 4]),
        ("te green", [0, 4]),  # only the last word may be unfinished
        ("t", [0, 1, 3]),
        ("teas", [0, 1, 3]),
        ("茶", [4]),
        ("coffee", []),
        ("", []),
        ("!?", []),
        ("\U0010ffff", []),
        ("tea " * 500, [0, 1, 3]),
    ],
)
def test_score__finds(query: str, found: list[int]) -> None:
    assert matching(query) == found


def test_index__is_the_same_after_it_was_written(tmp_path: Path) -> None:
    SearchIndex.of(SHOP).save(tmp_path / "search.npz")
    again = SearchIndex.load(tmp_path / "search.npz")
    assert again.items == len(SHOP)
    assert again.score("green tea").tolist() == SearchIndex.of(SHOP).score("green tea").tolist()
    with pytest.raises(BundleError, match=r"none\.npz"):
        SearchIndex.load(tmp_path / "none.npz")


def test_index__of_no_words_and_of_nothing_finds_nothing() -> None:
    assert SearchIndex.of(["", "…"]).score("tea").tolist() == [0, 0]
    assert SearchIndex.of([]).score("tea").tolist() == []
