"""Leading singular vectors of a sparse matrix, by a randomised range finder with power iterations.

After Halko, Martinsson and Tropp (SIAM Review 2011). Bases are made orthonormal through the eigenvectors of their Gram
matrix: mostly products, and so several times faster than Householder reflections.
"""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipelines.retrieval.collaborative.matrices import Matrix

OVERSAMPLING = 32
POWER_ITERATIONS = 2
DEPENDENT = 1e-6
"""Squared length, as a share of the largest, below which single precision knows no direction."""

Factors = NDArray[np.float32]


def leading_factors(matrix: Matrix, count: int, seed: int) -> tuple[Factors, Factors]:
    """Factors whose product is the matrix with only its leading singular vectors.

    One thread, so that the last bits are the same on any machine of a kind.

    Args:
        matrix: Shape ``(n, n)``, sparse, float32.
        count: Singular vectors kept; all of them where there are fewer.
        seed: Of the random start.

    Returns:
        Left vectors times singular values and right vectors, both of shape ``(n, min(count, n))``.
    """
    width = min(count + OVERSAMPLING, matrix.shape[1])
    transposed = matrix.T.tocsr()
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[1], width), np.float32)
    with threadpool_limits(1, "blas"):
        for _ in range(POWER_ITERATIONS):
            basis = orthonormal(transposed @ orthonormal(matrix @ basis))
        image = matrix @ basis
        turn = np.linalg.eigh(_gram(image))[1]
        turn = turn[:, ::-1][:, :count].astype(np.float32)
        return image @ turn, basis @ turn


def orthonormal(columns: Factors) -> Factors:
    """An orthonormal basis of what the columns span, shape as given; columns of 0 where they depend on each other.

    Done twice: once leaves an error that grows with the square of the columns' condition.
    """
    for _ in range(2):
        squares, turn = np.linalg.eigh(_gram(columns))
        spanned = squares > DEPENDENT * max(squares[-1], 1e-30)
        scale = np.where(spanned, 1.0 / np.sqrt(np.where(spanned, squares, 1.0)), 0.0)
        columns = columns @ (turn * scale).astype(np.float32)
    return columns


def _gram(columns: Factors) -> NDArray[np.float64]:
    gram: NDArray[np.float64] = (columns.T @ columns).astype(np.float64)
    return gram
