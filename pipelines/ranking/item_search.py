"""Items that match a query, in the order that suits a shopper. NumPy only."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError, History, RankedList, Recommendation
from pipelines.ranking.blended import Allowed, BlendedRecommender
from pipelines.ranking.bundle import REMEDY, setting
from pipelines.ranking.list_rules import top_places
from pipelines.text.search_index import SearchIndex

Scores = NDArray[np.float64]


class ItemSearch:
    """Text match and taste, each as a share of the best, weighed and summed.

    Args:
        index: Of the catalog's text.
        recommender: Knows the shopper's taste.
        taste_weight: Of taste; text has 1.
    """

    def __init__(self, index: SearchIndex, recommender: BlendedRecommender, taste_weight: float) -> None:
        self._index, self._recommender, self._taste_weight = index, recommender, taste_weight

    @classmethod
    def load(cls, bundle: Path, recommender: BlendedRecommender) -> "ItemSearch":
        """Read the index of a bundle.

        Raises:
            BundleError: It is missing, corrupt, or of another catalog.
        """
        weight = setting(recommender.manifest, "search", "taste_weight")
        index = SearchIndex.load(bundle / "search.npz")
        if index.items != len(recommender.catalog.ids):
            raise BundleError(f"{bundle / 'search.npz'}: its length differs from the catalog's; {REMEDY}")
        return cls(index, recommender, weight)

    def search(
        self, query: str, history: History, now: int, k: int, allowed: Allowed | None = None
    ) -> RankedList:
        """The ``k`` allowed items that match best; fewer, or none, where no more match.

        Args:
            query: What the shopper typed.
            history: The shopper; of one who is not known, popularity is the taste.
            now: Microseconds since the epoch (UTC).
            k: Places.
            allowed: Which of the recommender's ``item_ids`` may be in the list.
        """
        text = self._index.score(query)[self._recommender.catalog.sellable]
        may = text > 0 if allowed is None else (text > 0) & allowed
        matching = np.flatnonzero(may)
        if not len(matching):
            return RankedList("search", ())
        scores = _share(text[matching]) + self._taste_weight * _share(self._taste(history, now)[matching])
        chosen = top_places(scores, k)
        bought = set(history.items.tolist())
        found = []
        for place in chosen:
            item_id = str(self._recommender.item_ids[matching[place]])
            reason = "matches, and you bought it before" if item_id in bought else "matches your words"
            found.append(Recommendation(item_id, float(scores[place]), reason))
        return RankedList("search", tuple(found))

    def _taste(self, history: History, now: int) -> Scores:
        found = self._recommender.taste(history, now)
        return self._recommender.popularity if found is None else found


def _share(scores: Scores) -> Scores:
    return scores / max(float(scores.max()), 1e-12)
