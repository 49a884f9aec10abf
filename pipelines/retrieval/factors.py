"""Implicit matrix factorisation (Hu, Koren and Volinsky, ICDM 2008): a history is folded in when it is scored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import read_arrays, write_arrays


@dataclass(frozen=True)
class Factors:
    """Vectors of the items; a shopper needs none, so one who came today is scored like any other.

    Attributes:
        vectors: One an item, shape ``(items, factors)``.
        gram: ``vectors.T @ vectors`` with the regularisation on its diagonal, shape ``(factors, factors)``.
        decay: Weight that a purchase keeps per week, shape ``(1,)``.
        alpha: Confidence that one purchase of today adds, shape ``(1,)``.
    """

    vectors: NDArray[np.float32]
    gram: NDArray[np.float64]
    decay: NDArray[np.float64]
    alpha: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path) -> "Factors":
        """Read what :meth:`save` wrote."""
        return cls(*read_arrays(path, *cls.__dataclass_fields__))

    def save(self, path: Path) -> None:
        """Write as npz."""
        write_arrays(path, vars(self))

    def score(self, item: NDArray[np.int64], age: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much every item is to the shopper's taste; 0 where the model says nothing good.

        Args:
            item: The shopper's purchases, shape ``(n,)``; at least one.
            age: Days since each, shape ``(n,)``.
        """
        return taste_for(self.vectors, self.fold_in(item, age))

    def fold_in(self, item: NDArray[np.int64], age: NDArray[np.float64]) -> NDArray[np.float32]:
        """The shopper's vector, shape ``(factors,)``; the arguments are those of :meth:`score`."""
        bought, inverse = np.unique(item, return_inverse=True)
        extra = self.alpha.item() * np.bincount(inverse, self.decay.item() ** (age / 7.0))
        mine = self.vectors[bought].astype(np.float64)
        shopper = np.linalg.solve(self.gram + (mine.T * extra) @ mine, mine.T @ (1.0 + extra))
        return np.asarray(shopper, np.float32)


def taste_for(vectors: NDArray[np.float32], shopper: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much some items are to a shopper's taste, shape ``(n,)``; 0 where the model says nothing good.

    Args:
        vectors: One an item, shape ``(n, factors)``. That they are read is what it costs.
        shopper: As :meth:`Factors.fold_in` gives it.
    """
    scores = vectors @ shopper
    return np.asarray(np.maximum(scores, 0.0, out=scores), np.float64)
