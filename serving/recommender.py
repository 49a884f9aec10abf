"""The model's front door: loads the bundle and answers whatever happens, saying which step answered."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError, History, RankedList
from pipelines.ranking.blended import BlendedRecommender
from pipelines.ranking.bundle import bundle_sha256
from pipelines.ranking.feature_values import FeatureValues
from serving.schemas import RecommendedItem

logger = logging.getLogger("serving")


class Recommender:
    """A loaded bundle behind its fallback chain: blend or co-occurrence, then popularity.

    Args:
        bundle: Folder of the bundle.

    Raises:
        BundleError: The bundle cannot be used; the message names the file.
    """

    def __init__(self, bundle: Path) -> None:
        try:
            self._model = BlendedRecommender.load(bundle)
        except BundleError:
            raise
        except Exception as error:  # whatever a corrupt file makes the loader do, it must be told by name
            raise BundleError(f"{bundle}: cannot be loaded ({error!r}); release another bundle") from error
        self.sha256 = bundle_sha256(bundle)
        self.manifest = {key: value for key, value in self._model.manifest.items() if key != "files"}
        self._model.popular(1)
        self._made_of: frozenset[str] = frozenset()
        self._mask: NDArray[np.bool_] | None = None

    def recommend(
        self,
        history: History,
        now: int,
        k: int,
        withheld: frozenset[str] = frozenset(),
        observe: Callable[[FeatureValues], None] | None = None,
    ) -> RankedList:
        """Items for a shopper, none of the withheld; ``observe`` is told the features of a blended list."""
        allowed = self._allowed(withheld)
        try:
            return self._model.recommend(history, now, k, allowed, observe)
        except Exception:
            logger.exception("recommend failed; answering by popularity")
            return self._model.popular(k, allowed)

    def similar(self, item_id: str, k: int, withheld: frozenset[str] = frozenset()) -> RankedList:
        """Items that go with an item, none of the withheld."""
        try:
            return self._model.similar(item_id, k, self._allowed(withheld))
        except Exception:
            logger.exception("similar failed; answering by popularity")
            return self._model.popular(k, self._model.without({*withheld, item_id}))

    def _allowed(self, withheld: frozenset[str]) -> NDArray[np.bool_] | None:
        # The same object as long as no item is put: what follows from it is worked out once.
        if self._made_of is not withheld:
            self._made_of = withheld
            self._mask = self._model.without(withheld) if withheld else None
        return self._mask

    def named(self, ranked: RankedList) -> list[RecommendedItem]:
        """A ranked list with titles, as an answer carries it."""
        return [
            RecommendedItem(place.item_id, self._model.title(place.item_id), place.score, place.reason)
            for place in ranked.items
        ]
