"""What is bought in the same baskets: the companions of an item, and what completes a basket. NumPy only."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import read_arrays, write_arrays


@dataclass(frozen=True)
class Companion:
    """One item that goes with another.

    Attributes:
        item: Its position in the catalog.
        strength: Baskets with both over the root of the baskets with each (cosine).
        baskets: Baskets with both (support).
        lift: How many times as often as by chance they are in one basket.
    """

    item: int
    strength: float
    baskets: int
    lift: float


@dataclass(frozen=True)
class Companions:
    """The strongest companions of each item, strongest first; all of shape ``(items, places)``.

    Attributes:
        item: Positions in the catalog, -1 for no place.
        strength: Cosine, 0 beside -1; so are the others.
        baskets: Support.
        lift: Times as often as by chance.
        pull: How much an item in a basket asks for the other one: the share of its baskets that hold the other, damped
            by how often that one is bought anyway.
    """

    item: NDArray[np.int32]
    strength: NDArray[np.float32]
    baskets: NDArray[np.int32]
    lift: NDArray[np.float32]
    pull: NDArray[np.float32]

    @classmethod
    def load(cls, path: Path) -> "Companions":
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing or corrupt.
        """
        return cls(*read_arrays(path, "item", "strength", "baskets", "lift", "pull"))

    def save(self, path: Path) -> None:
        """Write as npz."""
        write_arrays(path, vars(self))

    def __len__(self) -> int:
        return len(self.item)

    def of(self, item: int) -> Iterator[Companion]:
        """What goes with an item, strongest first."""
        rows = zip(self.item[item], self.strength[item], self.baskets[item], self.lift[item], strict=True)
        return (
            Companion(int(one), float(how), int(count), float(lift))
            for one, how, count, lift in rows
            if one >= 0
        )

    def completing(self, basket: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much a basket asks for each item of the catalog, shape ``(items,)``.

        Args:
            basket: Distinct positions in the catalog.
        """
        there = self.item[basket] >= 0
        return np.bincount(self.item[basket][there], self.pull[basket][there], len(self.item)).astype(
            np.float64
        )

    def strongest(self, basket: NDArray[np.int64], item: int) -> tuple[int, Companion] | None:
        """The item of a basket that asks for another one most, and what they have in common; None when none does."""
        rows, places = np.nonzero(self.item[basket] == item)
        if not len(rows):
            return None
        best = int(np.argmax(self.pull[basket[rows], places]))
        source, place = int(basket[rows[best]]), int(places[best])
        found = (part[source, place] for part in (self.strength, self.baskets, self.lift))
        strength, baskets, lift = found
        return source, Companion(item, float(strength), int(baskets), float(lift))
