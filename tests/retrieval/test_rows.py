"""Compressed rows, against dense matrices."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.retrieval.rows import WeightedRows

ITEMS = 6
ROWS = st.lists(
    st.lists(st.tuples(st.integers(0, ITEMS - 1), st.floats(0.0, 9.0, width=32)), max_size=5),
    min_size=1,
    max_size=6,
)


def weighted(rows: list[list[tuple[int, float]]]) -> tuple[WeightedRows, NDArray[np.float64]]:
    """The rows, and the same as a matrix."""
    dense = np.zeros((len(rows), ITEMS))
    for place, row in enumerate(rows):
        for item, weight in row:
            dense[place, item] += weight
    flat = [pair for row in rows for pair in row]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    item = np.array([item for item, _ in flat], np.int32)
    return WeightedRows(offsets, item, np.array([weight for _, weight in flat], np.float32), ITEMS), dense


@given(ROWS, st.data())
def test_total__is_the_product_of_the_matrix(
    rows: list[list[tuple[int, float]]], data: st.DataObject
) -> None:
    sparse, dense = weighted(rows)
    asked = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8)), np.int64)
    factor = np.linspace(0.5, 2.0, len(asked))
    np.testing.assert_allclose(sparse.total(asked, factor), factor @ dense[asked], atol=1e-9)


@given(ROWS, st.permutations(range(ITEMS)), st.integers(0, ITEMS))
def test_on__keeps_what_is_said_of_some_items(
    rows: list[list[tuple[int, float]]], order: list[int], count: int
) -> None:
    sparse, dense = weighted(rows)
    place = np.full(ITEMS, -1, np.int64)
    place[order[:count]] = np.arange(count)
    every = np.arange(len(rows))
    left = sparse.on(place, count).total(every, np.ones(len(rows)))
    np.testing.assert_allclose(left, dense.sum(axis=0)[order[:count]], atol=1e-9)
