"""Columns of the inverse of a sparse, penalised Gram matrix, by conjugate gradients (Hestenes and Stiefel, 1952)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipelines.retrieval.collaborative.matrices import Matrix, scaled

TOLERANCE = 1e-3
"""Residual, as a share of the right side, at which a column is solved: far below what changes a ranking."""
MOST_STEPS = 50


@dataclass(frozen=True)
class Ridge:
    """``A = X'X + penalty``, scaled to a diagonal of ones, which lets few steps do.

    Attributes:
        scaled: ``S A S``, shape ``(items, items)``.
        scale: The diagonal of S, shape ``(items,)``.
        diagonal: The diagonal of ``X'X``, shape ``(items,)``.
    """

    scaled: Matrix
    scale: NDArray[np.float64]
    diagonal: NDArray[np.float64]

    @classmethod
    def of(cls, states: Matrix, penalty: float) -> "Ridge":
        """From the states X, shape ``(states, items)``, and a penalty above 0."""
        gram = (states.T @ states).tocsr()
        diagonal = gram.diagonal()
        scale = 1.0 / np.sqrt(diagonal + penalty)
        system = gram + sparse.diags(np.full(len(diagonal), penalty), format="csr")
        return cls(scaled(system, scale, scale).astype(np.float32), scale, diagonal)

    def inverse_columns(self, columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some columns of the inverse of A, shape ``(items, columns)``."""
        unit = np.zeros((len(self.scale), len(columns)), np.float32)
        unit[columns, np.arange(len(columns))] = 1.0
        solved = self._solve(unit)
        return (solved * self.scale[:, None] * self.scale[columns]).astype(np.float32)

    def _solve(self, right: NDArray[np.float32]) -> NDArray[np.float32]:
        solved, rest, direction = np.zeros_like(right), right.copy(), right.copy()
        size = np.square(rest).sum(axis=0)
        enough = TOLERANCE**2 * size
        for _ in range(MOST_STEPS):
            if (size <= enough).all():
                break
            image = self.scaled @ direction
            step = size / np.maximum((direction * image).sum(axis=0), np.float32(1e-30))
            solved += step * direction
            rest -= step * image
            before, size = size, np.square(rest).sum(axis=0)
            direction = rest + size / np.maximum(before, np.float32(1e-30)) * direction
        return solved
