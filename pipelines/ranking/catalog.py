"""The catalog as a bundle carries it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError, History
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.bundle import REMEDY, read_arrays, read_json
from pipelines.ranking.id_lookup import IdLookup

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Shopper:
    """A history in the catalog's terms; what the catalog does not know is left out.

    Attributes:
        item: Positions in the catalog, oldest first, shape ``(n,)``.
        age: Days since each purchase, shape ``(n,)``.
        basket: Ascending number of the basket, shape ``(n,)``.
    """

    item: NDArray[np.int64]
    age: NDArray[np.float64]
    basket: NDArray[np.int32]


@dataclass(frozen=True)
class Catalog:
    """Items, those that are scored among them.

    Attributes:
        ids: Sorted ids of all items that were ever bought, shape ``(items,)``.
        titles: A name for people each.
        popularity: Recent purchases of each, shape ``(items,)``.
        reach: How widely the shop shows each in the week that the bundle was made for, 0 to 1, shape ``(items,)``.
        kind: Type of each, 0 for unknown, shape ``(items,)``.
        first_sold: When each was first bought, microseconds since the epoch (UTC), shape ``(items,)``.
        sellable: Ascending positions of the items that may be recommended, shape ``(n,)``.
        attributes: What a request may choose by.
    """

    ids: NDArray[np.str_]
    titles: list[str]
    popularity: NDArray[np.float32]
    reach: NDArray[np.float32]
    kind: NDArray[np.int32]
    first_sold: NDArray[np.int64]
    sellable: NDArray[np.int64]
    attributes: Attributes

    @classmethod
    def load(cls, bundle: Path) -> "Catalog":
        """Read it from a bundle.

        Raises:
            BundleError: A file is missing or corrupt, or two do not fit each other.
        """
        items = read_json(bundle / "items.json")
        columns = read_arrays(
            bundle / "popularity.npz", "scores", "reach", "kind", "first_sold_us", "sellable"
        )
        if {len(column) for column in (items["titles"], *columns)} != {len(items["ids"])}:
            raise BundleError(f"{bundle / 'items.json'}: its length differs from the arrays'; {REMEDY}")
        popularity, reach, kind, first_sold, sellable = columns
        ids = np.array(items["ids"])
        attributes = Attributes.load(bundle / "attributes.npz", len(ids))
        about = popularity, reach, kind, first_sold
        return cls(ids, items["titles"], *about, np.flatnonzero(sellable), attributes)

    @cached_property
    def position(self) -> dict[str, int]:
        """Position of an item by its id."""
        return {str(item_id): place for place, item_id in enumerate(self.ids)}

    @cached_property
    def place_for_sale(self) -> NDArray[np.int64]:
        """Where each item stands in ``sellable``, -1 where it is not sold, shape ``(items,)``."""
        place = np.full(len(self.ids), -1, np.int64)
        place[self.sellable] = np.arange(len(self.sellable))
        return place

    @cached_property
    def _lookup(self) -> IdLookup:
        return IdLookup(self.ids)

    def shopper(self, history: History, now: int) -> Shopper:
        """A history at ``now`` (microseconds since the epoch, UTC)."""
        place = self._lookup.find(history.items)
        known = place >= 0
        age = np.maximum(now - history.times[known], 0) / DAY_US
        return Shopper(place[known], age, history.baskets[known])
