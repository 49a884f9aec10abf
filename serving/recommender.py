"""The model's front door: loads the bundle and answers whatever happens, saying which step answered."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pipelines.domain import BundleError, History, RankedList
from pipelines.ranking.blended import NO_WISHES, BlendedRecommender, Wishes
from pipelines.ranking.bundle import bundle_sha256
from pipelines.ranking.feature_values import FeatureValues
from pipelines.ranking.item_search import ItemSearch
from pipelines.ranking.list_rules import ListRules
from pipelines.ranking.new_arrivals import NewArrivals
from pipelines.ranking.prices import Prices
from pipelines.ranking.running_campaigns import RunningCampaigns
from serving.new_items import NewItems
from serving.said import NOTHING_SAID, Said
from serving.schemas import Boost, Diversity, Only, PutItem, RecommendedItem

MOST_FILTERS = 256
"""Choices by attribute whose items are remembered; a shop's pages ask by few."""

logger = logging.getLogger("serving")


@dataclass(frozen=True)
class Choice:
    """Which items may be in a list.

    Attributes:
        said: What the shop has said of its items.
        only: Attributes and prices that are asked for.
        exclude: What the request leaves out.
        boosts: What the request wants more or less of.
        diversity: What the request asks of each ten places.
    """

    said: Said = NOTHING_SAID
    only: Only | None = None
    exclude: tuple[str, ...] = ()
    boosts: tuple[Boost, ...] = ()
    diversity: Diversity | None = None


EVERYTHING = Choice()


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
            self._search = ItemSearch.load(bundle, self._model)
            self._arrivals = NewArrivals(self._model)
            self._prices = Prices.load(bundle, self._model.catalog)
            self.campaigns = RunningCampaigns.load(bundle, self._model.item_ids.tolist())
        except BundleError:
            raise
        except Exception as error:  # whatever a corrupt file makes the loader do, it must be told by name
            raise BundleError(f"{bundle}: cannot be loaded ({error!r}); release another bundle") from error
        self.sha256 = bundle_sha256(bundle)
        self.manifest = {key: value for key, value in self._model.manifest.items() if key != "files"}
        self._model.popular(1)
        self._made_of: frozenset[str] = frozenset()
        self._shown: NDArray[np.bool_] | None = None
        self._described = NOTHING_SAID.described
        self._new = NewItems(self._model, self._described)
        self._named = lru_cache(MOST_FILTERS)(lambda only: self._model.only(only.wanted()))
        if not self._prices.are_known:
            logger.warning(
                "%s: carries no prices, so that only items whose price was put are found by it", bundle
            )

    def recommend(
        self,
        history: History,
        now: int,
        k: int,
        choice: Choice = EVERYTHING,
        observe: Callable[[FeatureValues], None] | None = None,
    ) -> RankedList:
        """Items for a shopper, of those that may be chosen; ``observe`` is told the features of a blended list."""
        allowed, wishes = self._allowed(choice), self._wishes(choice)
        try:
            return self._model.recommend(history, now, k, allowed, observe, wishes)
        except Exception:
            logger.exception("recommend failed; answering by popularity")
            return self._model.popular(k, allowed, wishes)

    def similar(self, item_id: str, k: int, choice: Choice = EVERYTHING) -> RankedList:
        """Items that go with an item, of those that may be chosen."""
        allowed = self._allowed(choice)
        try:
            return self._model.similar(item_id, k, allowed)
        except Exception:
            logger.exception("similar failed; answering by popularity")
            return self._model.popular(k, self._model.without([item_id], allowed))

    def search(
        self, query: str, history: History, now: int, k: int, choice: Choice = EVERYTHING
    ) -> RankedList:
        """Items that match a query, of those that may be chosen, in the order that suits a shopper."""
        allowed = self._allowed(choice)
        try:
            ranked = self._search.search(query, history, now, k, allowed)
            if not (new := self._new_items(choice)):
                return ranked
            return self._new.among_matches(ranked, query, k, new)
        except Exception:
            logger.exception("search failed; ordering by popularity")
            return self._search.search(query, History.empty(history.user_id), now, k, allowed)

    def new_arrivals(self, history: History, now: int, k: int, choice: Choice = EVERYTHING) -> RankedList:
        """Items that are new in the shop and to a shopper, of those that may be chosen."""
        allowed = self._allowed(choice)
        try:
            ranked = self._arrivals.new_arrivals(history, now, k, allowed)
            if not (new := self._new_items(choice)):
                return ranked
            return self._new.among_arrivals(ranked, history, k, new)
        except Exception:
            logger.exception("new arrivals failed; ordering by popularity")
            return self._arrivals.new_arrivals(History.empty(history.user_id), now, k, allowed)

    def rank(
        self, history: History, now: int, items: Sequence[str], withheld: frozenset[str] = frozenset()
    ) -> RankedList:
        """A list of the shop's own in the order that suits a shopper, without what is withheld."""
        shown = [item for item in dict.fromkeys(items) if item not in withheld]
        try:
            return self._model.rank(history, now, shown)
        except Exception:
            logger.exception("rank failed; answering by popularity")
            return self._model.rank(History.empty(history.user_id), now, shown)

    def complements(
        self,
        basket: Sequence[str],
        k: int,
        choice: Choice = EVERYTHING,
        history: History | None = None,
        now: int = 0,
    ) -> RankedList:
        """Items that complete a basket, of those that may be chosen, in the order that suits the shopper if known."""
        allowed, wishes = self._allowed(choice), self._wishes(choice)
        try:
            return self._model.complements(basket, k, allowed, history, now, wishes)
        except Exception:
            logger.exception("complements failed; answering by popularity")
            return self._model.popular(k, self._model.without(basket, allowed), wishes)

    def _allowed(self, choice: Choice) -> NDArray[np.bool_] | None:
        """None while all items may be chosen, as for most requests."""
        # The same object as long as no item is put: what follows from it is worked out once.
        withheld = choice.said.withheld
        if self._made_of is not withheld:
            self._made_of = withheld
            self._shown = self._model.without(withheld) if withheld else None
        masks = [self._shown] if self._shown is not None else []
        if choice.only is not None:
            masks.append(self._only(choice.only, choice.said))
        if choice.exclude:
            masks.append(self._model.without(choice.exclude))
        return np.logical_and.reduce(masks) if masks else None

    def _new_items(self, choice: Choice) -> dict[str, PutItem]:
        """Items that were put, that the bundle does not know and that may be chosen."""
        described = choice.said.described
        if self._described is not described:
            self._described, self._new = described, NewItems(self._model, described)
        if not self._new.items:
            return {}
        return self._new.that_may_be_shown(choice.said.withheld, choice.only, choice.exclude)

    def _only(self, only: Only, said: Said) -> NDArray[np.bool_]:
        if only.price is None:
            return self._named(only)
        named = self._named(replace(only, price=None))
        return named & self._prices.within(only.price.min, only.price.max, said.prices)

    def _wishes(self, choice: Choice) -> Wishes:
        if not choice.boosts and choice.diversity is None:
            return NO_WISHES
        factors = [
            np.where(self._only(boost.only, choice.said), boost.factor, 1.0) for boost in choice.boosts
        ]
        asked = choice.diversity
        rules = None if asked is None else ListRules(asked.same_type_limit, asked.repeat_limit)
        return Wishes(np.multiply.reduce(factors) if factors else None, rules)

    def named(self, ranked: RankedList, said: Said = NOTHING_SAID) -> list[RecommendedItem]:
        """A ranked list with titles, as an answer carries it: the catalog's, else what was put."""
        return [
            RecommendedItem(place.item_id, self._title(place.item_id, said), place.score, place.reason)
            for place in ranked.items
        ]

    def _title(self, item_id: str, said: Said) -> str:
        title = self._model.title(item_id)
        if title == item_id and (put := said.described.get(item_id)) is not None:
            return put.title or item_id
        return title
