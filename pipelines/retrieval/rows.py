"""Compressed rows: ragged lists in two flat arrays."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class WeightedRows:
    """What each row says of some items.

    Attributes:
        offsets: Row r is ``offsets[r]:offsets[r + 1]``, shape ``(rows + 1,)``.
        item: Positions of items, shape ``(n,)``.
        weight: How strongly, shape ``(n,)``.
        items: How many items there are.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.integer]
    weight: NDArray[np.float32]
    items: int

    def on(self, place: NDArray[np.int64], items: int) -> "WeightedRows":
        """What is said of some of the items, in the same order; the others are not read when it is summed up.

        Args:
            place: New position of each item, -1 for one that is left out.
            items: How many are not.
        """
        moved = place[self.item]
        kept = moved >= 0
        offsets = np.concatenate([[0], np.cumsum(kept)])[self.offsets]
        return WeightedRows(offsets, moved[kept], self.weight[kept], items)

    def total(self, rows: NDArray[np.int64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
        """Some rows, each times its factor, summed up by item, shape ``(items,)``."""
        spots, lengths = gather_rows(self.offsets, rows)
        said = np.repeat(factor, lengths) * self.weight[spots]
        return np.asarray(np.bincount(self.item[spots], said, self.items), np.float64)
