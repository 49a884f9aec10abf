"""The benchmark of an index of items: catalogs of any size, widths chosen on other shoppers, goals judged together."""

import numpy as np
import pytest

from benchmarks import item_index, pages
from benchmarks.item_index import EXACT, FAISS, USEARCH, WIDTHS, Found, Index, exact

RANDOM = np.random.default_rng(5)
REAL = RANDOM.normal(size=(300, 6)).astype(np.float32)
QUERIES = RANDOM.normal(size=(30, 6)).astype(np.float32)


def half_blind(vectors: np.ndarray) -> Index:
    """Finds the right twenty with a width of 64 or more, and ten of them with less."""
    scan = exact(vectors)

    def search(query: np.ndarray, width: int) -> np.ndarray:
        right = scan(query)
        return right if width >= 64 else np.concatenate([right[:10], np.full(10, len(vectors))])

    return Index(search, 1.5)


def test_catalog_of__samples_the_real_items_or_adds_noisy_ones() -> None:
    few = item_index.catalog_of(REAL, 100)
    assert len(np.unique(few, axis=0)) == 100
    assert all((row == REAL).all(axis=1).any() for row in few)
    many = item_index.catalog_of(REAL, 1000)
    np.testing.assert_array_equal(many[:300], REAL)
    assert len(np.unique(many, axis=0)) == 1000
    assert many.dtype == np.float32


def test_measure__chooses_the_narrowest_width_that_finds_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(item_index.BUILDERS, USEARCH, half_blind)
    found = item_index.measure(REAL, QUERIES, [USEARCH])
    assert {name: len(one.milliseconds) for name, one in found.items()} == {EXACT: 15, USEARCH: 15}
    assert (found[USEARCH].width, found[USEARCH].build_seconds) == (64, 1.5)
    assert (found[USEARCH].recall == 1).all()
    assert (found[EXACT].recall == 1).all()


def test_choose_width__of_a_blind_index_is_the_widest() -> None:
    nothing = Index(lambda query, width: np.full(20, -1), 0.0)
    assert item_index.choose_width(nothing, QUERIES[:3], [np.arange(20)] * 3) == WIDTHS[-1]


@pytest.mark.parametrize(("name", "library"), [(USEARCH, "usearch"), (FAISS, "faiss")])
def test_indexes__find_the_largest_inner_products(name: str, library: str) -> None:
    pytest.importorskip(library)
    found = item_index.measure(REAL, QUERIES, [name])
    assert found[name].recall.mean() > 0.95


def system(milliseconds: float, recall: float, width: int = 64) -> Found:
    return Found(np.full(5, milliseconds), np.full(5, recall), width, 2.0)


@pytest.mark.parametrize(
    ("usearch", "faiss", "best", "met"),
    [
        (system(1.0, 0.98), system(0.5, 0.979), USEARCH, [True, True]),
        (system(1.0, 0.99), system(0.5, 0.99), FAISS, [True, True]),
        (system(2.0, 0.99), system(3.0, 0.99), USEARCH, [True, False]),
        (system(1.0, 0.9), system(2.0, 0.9), USEARCH, [False, False]),
    ],
)
def test_report__counts_only_what_finds_enough_of_the_largest_catalog(
    usearch: Found, faiss: Found, best: str, met: list[bool]
) -> None:
    small = {EXACT: system(1.0, 1.0, 0), USEARCH: system(9.0, 0.1), FAISS: system(9.0, 0.1)}
    large = {EXACT: system(10.0, 1.0, 0), USEARCH: usearch, FAISS: faiss}
    data = {"real_items": 300, "numbers": 33, "noise": 0.5, "shoppers": 10}
    whole = item_index.report({10: small, 1000: large}, data)
    assert [goal["met"] for goal in whole["goals"]] == met
    assert f"recall@20 of {best} at 1000 items" in whole["goals"][0]["goal"]
    page = pages.render_page("item_index", whole)
    assert "| 10 items | `usearch_hnsw` | 9 (9 to 9) | 0.111 | 0.1000 | 64 | 2 s |" in page
    assert "| 1000 items | `numpy_exact` | 10 (10 to 10) | 1 | 1.0000 |  |  |" in page
