"""User kNN: shoppers with a like basket vote for what they buy (after TIFU-KNN, Hu et al., SIGIR 2020)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import read_arrays, write_arrays
from pipelines.retrieval.rows import WeightedRows, gather_rows

OWN = 0.98
"""Cosine from which a profile counts as the shopper's own, perhaps a few days older."""


@dataclass(frozen=True)
class Neighbours:
    """Profiles of shoppers, by item for likeness and by shopper for votes. They hold no id of a shopper.

    Attributes:
        item_offsets, profile, likeness: Compressed rows by item: which profiles hold it, and how strongly
            (a profile's weights are of unit length).
        inverse_frequency: Weight of an item in a comparison, shape ``(items,)``.
        profile_offsets, item, vote: Compressed rows by profile: what it votes for.
        decay: Weight that a purchase keeps per week, shape ``(1,)``.
        count: How many profiles vote, shape ``(1,)``.
    """

    item_offsets: NDArray[np.int64]
    profile: NDArray[np.int32]
    likeness: NDArray[np.float32]
    inverse_frequency: NDArray[np.float32]
    profile_offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    vote: NDArray[np.float32]
    decay: NDArray[np.float64]
    count: NDArray[np.int64]

    @classmethod
    def load(cls, path: Path) -> "Neighbours":
        """Read what :meth:`save` wrote."""
        return cls(*read_arrays(path, *cls.__dataclass_fields__))

    def save(self, path: Path) -> None:
        """Write as npz."""
        write_arrays(path, vars(self))

    def score(self, item: NDArray[np.int64], age: NDArray[np.float64]) -> NDArray[np.float64]:
        """Votes for every item.

        A profile that is this shopper's own is left out by its likeness: nobody else comes so near.

        Args:
            item: The shopper's purchases, shape ``(n,)``; at least one.
            age: Days since each, shape ``(n,)``.
        """
        return self.votes.total(*self.nearest(item, age))

    @property
    def votes(self) -> WeightedRows:
        """What each profile votes for."""
        return WeightedRows(self.profile_offsets, self.item, self.vote, len(self.inverse_frequency))

    @cached_property
    def _holder(self) -> NDArray[np.int64]:
        """``profile`` in the form in which it is counted, so that it is converted once."""
        return self.profile.astype(np.int64)

    def nearest(
        self, item: NDArray[np.int64], age: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The profiles most like the shopper and how like they are; the arguments are those of :meth:`score`."""
        bought, inverse = np.unique(item, return_inverse=True)
        mine = (
            np.sqrt(np.bincount(inverse, self.decay.item() ** (age / 7.0))) * self.inverse_frequency[bought]
        )
        mine = mine / max(float(np.sqrt((mine**2).sum())), 1e-6)
        spots, lengths = gather_rows(self.item_offsets, bought)
        weight = np.repeat(mine, lengths) * self.likeness[spots]
        likeness = np.asarray(
            np.bincount(self._holder[spots], weight, len(self.profile_offsets) - 1), np.float64
        )
        likeness[likeness > OWN] = 0.0
        count = min(int(self.count.item()), len(likeness))
        near = np.argpartition(-likeness, count - 1)[:count]
        near = near[np.lexsort((near, -likeness[near]))]
        return near, likeness[near]
