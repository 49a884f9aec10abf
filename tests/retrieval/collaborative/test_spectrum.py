"""Leading singular vectors, against a dense decomposition."""

import numpy as np
from scipy import sparse

from pipelines.retrieval.collaborative.spectrum import leading_factors, orthonormal


def test_leading_factors__are_those_of_a_dense_decomposition() -> None:
    dense = np.random.default_rng(1).random((40, 40)).astype(np.float32) ** 4
    left, values, right = np.linalg.svd(dense)
    source, target = leading_factors(sparse.csr_matrix(dense), 3, seed=0)
    assert source.shape == target.shape == (40, 3)
    assert np.allclose(source @ target.T, left[:, :3] * values[:3] @ right[:3], atol=1e-4)
    assert np.allclose(np.linalg.norm(source, axis=0), values[:3], rtol=1e-4)


def test_leading_factors__of_a_matrix_of_low_rank_or_of_nothing_are_finite() -> None:
    single = np.outer(np.arange(9), np.ones(9)).astype(np.float32)
    source, target = leading_factors(sparse.csr_matrix(single), 4, seed=0)
    assert np.allclose(source @ target.T, single, atol=1e-3)
    source, target = leading_factors(sparse.csr_matrix((9, 9), dtype=np.float32), 4, seed=0)
    assert not (source @ target.T).any()


def test_orthonormal__columns_of_very_different_length() -> None:
    columns = np.random.default_rng(2).standard_normal((50, 6)).astype(np.float32) * 3.0 ** np.arange(6)
    basis = orthonormal(columns.astype(np.float32))
    assert np.allclose(basis.T @ basis, np.eye(6), atol=1e-3)
