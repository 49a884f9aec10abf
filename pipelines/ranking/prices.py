"""What the items of a catalog cost, as far as it is known. NumPy only."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError
from pipelines.ranking.bundle import REMEDY, read_arrays
from pipelines.ranking.catalog import Catalog

PRICES = "prices.npz"


class Prices:
    """Of each item the price that was put last, else the one that the bundle carries.

    Args:
        catalog: The items.
        carried: Price of each, NaN where it is not known, shape ``(items,)``.
    """

    def __init__(self, catalog: Catalog, carried: NDArray[np.float64]) -> None:
        self._catalog, self._carried = catalog, carried
        self._put: Mapping[str, float] = {}
        self._now = carried[catalog.sellable]

    @classmethod
    def load(cls, bundle: Path, catalog: Catalog) -> "Prices":
        """Read those of a bundle; one from before bundles had prices knows none.

        Raises:
            BundleError: The file is corrupt, or of another catalog.
        """
        # ``bundle.json`` names every file of a bundle, and was verified: what is not there was never in it.
        if not (bundle / PRICES).exists():
            return cls(catalog, np.full(len(catalog.ids), np.nan))
        (carried,) = read_arrays(bundle / PRICES, "price")
        if len(carried) != len(catalog.ids):
            raise BundleError(f"{bundle / PRICES}: its length differs from the catalog's; {REMEDY}")
        return cls(catalog, carried)

    @property
    def are_known(self) -> bool:
        """Whether the bundle carries any."""
        return bool(np.isfinite(self._carried).any())

    def within(self, low: float, high: float, put: Mapping[str, float]) -> NDArray[np.bool_]:
        """Which sellable items cost from ``low`` to ``high``, shape ``(n,)``; none whose price is not known.

        Args:
            low: Shop currency.
            high: Shop currency.
            put: What the shop says they cost. The same object as long as nothing changes.
        """
        if put is not self._put:
            self._put, self._now = put, self._with(put)
        return (self._now >= low) & (self._now <= high)

    def _with(self, put: Mapping[str, float]) -> NDArray[np.float64]:
        prices, position = self._carried.copy(), self._catalog.position
        known = {position[item]: price for item, price in put.items() if item in position}
        prices[list(known)] = list(known.values())
        return prices[self._catalog.sellable]
