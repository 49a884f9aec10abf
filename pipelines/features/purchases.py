"""Purchases of many shoppers as plain integer columns: what fitting reads. NumPy only."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Purchases:
    """One row per basket and item, sorted by shopper, time and item.

    Attributes:
        shopper: Position in ``user_ids``, shape ``(n,)``.
        item: Position in ``item_ids``, shape ``(n,)``.
        basket: Number of the basket, ascending and unique over shoppers, shape ``(n,)``.
        day: Days from the moment, negative, shape ``(n,)``.
        week: Shop week, shape ``(n,)``.
        user_ids: Sorted ids of the shoppers.
        item_ids: Sorted ids of the items.
        item_type: Type of each item, 0 for unknown, shape ``(items,)``.
        moment_week: The shop week that begins at the moment.
        reach: How widely the shop shows each item, by shop week up to ``moment_week``, as known when it begins;
            shape ``(moment_week + 1, items)``.
    """

    shopper: NDArray[np.int32]
    item: NDArray[np.int32]
    basket: NDArray[np.int32]
    day: NDArray[np.float64]
    week: NDArray[np.int32]
    user_ids: NDArray[np.str_]
    item_ids: NDArray[np.str_]
    item_type: NDArray[np.int32]
    moment_week: int
    reach: NDArray[np.float32]

    def before(self, week: int) -> "Purchases":
        """The same without the purchases of ``week`` and later."""
        keep = self.week < week
        return replace(
            self, **{name: getattr(self, name)[keep] for name in ("shopper", "item", "basket", "day", "week")}
        )

    def as_of(self, week: int) -> "Purchases":
        """What was bought before ``week`` began, seen from its start; of ``week`` and later nothing is left."""
        past = self.before(week)
        day, reach = past.day - 7.0 * (week - self.moment_week), self.reach[: week + 1]
        return replace(past, day=day, moment_week=week, reach=reach)

    def age(self, week: int, rows: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Days from each purchase to the start of ``week``; an hour of a clock change cannot make it negative."""
        start = 7.0 * (week - self.moment_week)
        return np.maximum(start - self.day[rows], 0.0).astype(np.float32)
