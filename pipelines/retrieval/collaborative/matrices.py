"""Interactions as sparse matrices: what was touched at each moment, and what a history weighs."""

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

    def apart(self, steps: int) -> tuple[Matrix, Matrix]:
        """Baskets of one user that are ``steps`` apart: the earlier ones and, row by row, the later ones."""
        earlier = np.flatnonzero(self.user[:-steps] == self.user[steps:])
        return self.items[earlier], self.items[earlier + steps]


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


def _summed(
    values: NDArray[np.float64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int32],
    shape: tuple[int, int],
) -> Matrix:
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix
