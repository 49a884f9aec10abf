"""Interactions as sparse matrices: what was touched at each moment, before and after it, and what a history weighs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipelines.retrieval.interactions import Interactions

Matrix = Any
"""A sparse matrix in compressed rows; SciPy has no types."""


@dataclass(frozen=True)
class Moments:
    """Baskets in order of time, all users one after another; without times every event is a basket.

    Attributes:
        items: 1 where a basket holds an item, shape ``(baskets, items)``.
        user: Whose it is, ascending, shape ``(baskets,)``.
    """

    items: Matrix
    user: NDArray[np.int64]

    def apart(self, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Baskets of one user that are ``steps`` apart: places of the earlier and, one by one, of the later ones."""
        earlier = np.flatnonzero(self.user[:-steps] == self.user[steps:])
        return earlier, earlier + steps

    def pasts_and_futures(self, past: tuple[float, int], future: tuple[float, int]) -> tuple[Matrix, Matrix]:
        """What came before and what from then on, at every basket that is not its user's first.

        Args:
            past: Decay a step back and how many baskets back, the nearest with weight 1.
            future: The same forward, the basket itself with weight 1.

        Returns:
            Two matrices of shape ``(baskets with a past, items)``.
        """
        known = self.apart(1)[1]
        before = self._shifted([(-back, past[0] ** (back - 1)) for back in range(1, past[1] + 1)])
        after = self._shifted([(ahead, future[0] ** ahead) for ahead in range(future[1])])
        return (before[known] @ self.items).tocsr(), (after[known] @ self.items).tocsr()

    def _shifted(self, weights: list[tuple[int, float]]) -> Matrix:
        """Which baskets each basket looks at, shape ``(baskets, baskets)``."""
        count, rows, columns, values = len(self.user), [], [], []
        for shift, weight in weights:
            there, later = self.apart(abs(shift)) if shift else (np.arange(count), np.arange(count))
            rows.append(there if shift > 0 else later)
            columns.append(later if shift > 0 else there)
            values.append(np.full(len(there), weight))
        spots = (np.concatenate(rows), np.concatenate(columns))
        return sparse.csr_matrix((np.concatenate(values), spots), shape=(count, count))


def moments_of(interactions: Interactions) -> Moments:
    """Baskets of some users; an item is in a basket or is not, however often it was touched."""
    user = interactions.user
    changes = (np.diff(user) > 0) | (np.diff(interactions.moment) > 0)
    basket = np.concatenate([np.zeros(min(1, len(user)), np.int64), np.cumsum(changes)])
    baskets = int(basket[-1]) + 1 if len(basket) else 0
    owner = np.zeros(baskets, np.int64)
    owner[basket] = user
    held = _summed(np.ones(len(user)), basket, interactions.item, (baskets, interactions.items))
    held.data[:] = 1.0
    return Moments(held, owner)


def weigh_histories(interactions: Interactions, decay: float, window: int) -> Matrix:
    """What each history holds, the latest moment with weight 1, shape ``(users, items)``.

    Args:
        interactions: One history a row.
        decay: What remains of the weight one moment further back, in [0, 1].
        window: Moments that count.
    """
    back = interactions.steps_back
    near = back <= window
    weight = np.power(decay, back[near] - 1.0)
    shape = (len(interactions), interactions.items)
    return _summed(weight, interactions.user[near], interactions.item[near], shape)


def popularity_of(interactions: Interactions) -> NDArray[np.float64]:
    """Events of each item, shape ``(items,)``."""
    return np.bincount(interactions.item, minlength=interactions.items).astype(np.float64)


def scaled(matrix: Matrix, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Matrix:
    """The matrix with every row and every column multiplied by a number of its own."""
    return (sparse.diags(rows) @ matrix @ sparse.diags(columns)).tocsr()


def _summed(
    values: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int32],
    shape: tuple[int, int],
) -> Matrix:
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix
