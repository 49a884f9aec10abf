"""Compressed rows: ragged lists in two flat arrays."""

import numpy as np
from numpy.typing import NDArray


def gather_rows(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat positions of some rows, and the length of each.

    Args:
        offsets: Row r is ``offsets[r]:offsets[r + 1]``, shape ``(all rows + 1,)``.
        rows: The wanted ones, in the wanted order, shape ``(n,)``.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(offsets[rows], lengths) + within, lengths
