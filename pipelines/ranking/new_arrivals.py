"""What is new in the shop, in the order that suits a shopper. NumPy only."""

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import History, RankedList, Recommendation
from pipelines.ranking.blended import Allowed, BlendedRecommender
from pipelines.ranking.bundle import setting
from pipelines.ranking.catalog import DAY_US


class NewArrivals:
    """Items that were first sold lately and that the shopper never bought.

    Args:
        recommender: Knows the catalog and the shopper's taste.
    """

    def __init__(self, recommender: BlendedRecommender) -> None:
        self._recommender = recommender
        self._days = setting(recommender.manifest, "new_arrivals", "days")
        catalog = recommender.catalog
        self._first_sold: NDArray[np.int64] = catalog.first_sold[catalog.sellable]
        self.item_ids = recommender.item_ids

    def new_arrivals(self, history: History, now: int, k: int, allowed: Allowed | None = None) -> RankedList:
        """The ``k`` allowed items that suit best; fewer, or none, where there are no more.

        Args:
            history: The shopper; for one who is not known, what is bought most of late.
            now: Microseconds since the epoch (UTC).
            k: Places.
            allowed: Which of the recommender's ``item_ids`` may be in the list.
        """
        mine = self.new_to(history, now)
        ranked = self._recommender.recommend(history, now, k, mine if allowed is None else mine & allowed)
        found = (
            Recommendation(place.item_id, place.score, self._evidence(place.item_id, now))
            for place in ranked.items
        )
        return RankedList(ranked.source, tuple(found))

    def new_to(self, history: History, now: int) -> Allowed:
        """Which of the recommender's ``item_ids`` are new in the shop and were never bought by the shopper."""
        days = (now - self._first_sold) / DAY_US
        return (days <= self._days) & self._recommender.without(set(history.items.tolist()))

    def _evidence(self, item_id: str, now: int) -> str:
        place = self._recommender.place_of(item_id)
        days = (now - self._first_sold[place]) / DAY_US
        since, baskets = max(int(days), 0), int(self._recommender.popularity[place])
        return f"new here for {_counted(since, 'day')}, in {_counted(baskets, 'basket')} of late"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
