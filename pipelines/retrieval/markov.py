"""First-order Markov transitions between baskets: what the shopper's latest baskets lead to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import read_arrays, write_arrays
from pipelines.retrieval.rows import WeightedRows, gather_rows

RECENT_DAYS = 28.0


@dataclass(frozen=True)
class Transitions:
    """Items that follow each item.

    Attributes:
        offsets: Compressed rows, one an item, shape ``(items + 1,)``.
        item: The items that follow, strongest first, shape ``(n,)``.
        weight: How strongly, shape ``(n,)``.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    weight: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> "Transitions":
        """Read what :meth:`save` wrote."""
        return cls(*read_arrays(path, "offsets", "item", "weight"))

    def save(self, path: Path) -> None:
        """Write as npz."""
        write_arrays(path, vars(self))

    def strongest_source(
        self, item: NDArray[np.int64], age: NDArray[np.float64], target: int, days: float = RECENT_DAYS
    ) -> int | None:
        """The recent purchase that leads to ``target`` most strongly, None when none does."""
        recent = np.unique(item[age < days])
        spots, lengths = gather_rows(self.offsets, recent)
        source = np.repeat(recent, lengths)
        hits = np.flatnonzero(self.item[spots] == target)
        return int(source[hits[np.argmax(self.weight[spots[hits]])]]) if len(hits) else None

    def score(
        self, item: NDArray[np.int64], age: NDArray[np.float64], days: float = RECENT_DAYS
    ) -> NDArray[np.float64]:
        """Score of every item after the shopper's purchases of the last ``days``, each week counting half.

        Args:
            item: The shopper's purchases, shape ``(n,)``.
            age: Days since each, shape ``(n,)``.
            days: How far back purchases count.
        """
        return self.rows.total(*recent_purchases(item, age, days))

    @property
    def rows(self) -> WeightedRows:
        """What each item leads to."""
        return WeightedRows(self.offsets, self.item, self.weight, len(self.offsets) - 1)


def recent_purchases(
    item: NDArray[np.int64], age: NDArray[np.float64], days: float = RECENT_DAYS
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The purchases that say what comes next, and what each counts: half for every week.

    Args:
        item: The shopper's purchases, shape ``(n,)``.
        age: Days since each.
        days: How far back purchases count.
    """
    recent = age < days
    return item[recent], 0.5 ** (age[recent] / 7.0)
