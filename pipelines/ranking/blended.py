"""The blended recommender as it serves: numpy alone, one shopper at a time, every sellable item scored."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError, History, RankedList, Recommendation
from pipelines.ranking.bundle import MANIFEST, REMEDY, read_manifest
from pipelines.ranking.catalog import Catalog, Shopper
from pipelines.ranking.components import DECAYS, SEQUENCE, Component, known_places, normalise
from pipelines.ranking.feature_values import NOTHING, FeatureValues, collect
from pipelines.ranking.generators import Generators
from pipelines.ranking.list_rules import NO_RULES, ListRules, top_places
from pipelines.ranking.reasons import POPULAR, reasons
from pipelines.retrieval.companions import Companions
from pipelines.retrieval.sequence import ShopperTables

BLEND = "blend"
ABLATION = "blend_without_sequence"
TIE_BREAK = 1e-9

Scores = NDArray[np.float64]
Allowed = NDArray[np.bool_]
Weights = list[tuple[Component, float]]
Ranked = tuple[NDArray[np.int64], Scores]


@dataclass(frozen=True)
class Wishes:
    """What a request asks of a list beside which items may be in it.

    Attributes:
        boost: What the score of each of ``item_ids`` is multiplied with, above 0, shape ``(n,)``; None for nothing.
        rules: Of this list, in place of those that the bundle has; None for those.
    """

    boost: Scores | None = None
    rules: ListRules | None = None

    def weigh(self, scores: Scores) -> Scores:
        """The scores with the boost."""
        return scores if self.boost is None else scores * self.boost


NO_WISHES = Wishes()


@dataclass(frozen=True)
class Scored:
    """All that was computed for one shopper: of every sellable item what each system and the blend say."""

    shopper: Shopper
    tables: ShopperTables | None
    raw: dict[str, Scores]
    scores: Scores


class BlendedRecommender:
    """Weighted sum of what the generators say, each brought to one scale.

    Invariants:
        Lists hold no item twice, nothing that is not allowed and nothing that is not sellable, and are ordered by
        score, ties by catalog order.

    Args:
        manifest: Content of ``bundle.json``.
        catalog: The items.
        generators: What scores them.
        companions: What is bought in the same baskets.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        catalog: Catalog,
        generators: Generators,
        companions: Companions,
    ) -> None:
        self.manifest = manifest
        self.item_ids: NDArray[np.str_] = catalog.ids[catalog.sellable]
        self.catalog, self._generators, self._companions = catalog, generators, companions
        self._place = {str(item_id): place for place, item_id in enumerate(self.item_ids)}
        self.popularity: Scores = catalog.popularity[catalog.sellable].astype(np.float64)
        self._blends: dict[str, Weights] = {
            name: [(Component(row["system"], row["scale"]), float(row["weight"])) for row in rows]
            for name, rows in manifest["blends"].items()
        }
        self._rules = ListRules(**manifest.get("rules", {}))
        self._kind: NDArray[np.int32] = catalog.kind[catalog.sellable]
        self._popular_places: dict[int, NDArray[np.int64]] = {}
        self._taste_beside_basket = float(manifest.get("complements", {}).get("taste_weight", 0.0))
        self._nobody = catalog.shopper(History.empty(""), 0)
        self._weighed = {component.system for component, weight in self._blends[BLEND] if weight > 0}

    @classmethod
    def load(cls, path: Path) -> "BlendedRecommender":
        """Load and verify a bundle.

        Raises:
            BundleError: A file is missing, corrupt or does not fit the others; the message names it.
        """
        manifest = read_manifest(path)
        if BLEND not in manifest.get("blends", {}):
            raise BundleError(f"{path / MANIFEST}: lacks blends.{BLEND}; {REMEDY}")
        catalog = Catalog.load(path)
        systems = {row["system"] for rows in manifest["blends"].values() for row in rows}
        companions = Companions.load(path / "companions.npz")
        if len(companions) != len(catalog.ids):
            raise BundleError(f"{path / 'companions.npz'}: its length differs from the catalog's; {REMEDY}")
        return cls(manifest, catalog, Generators.load(path, catalog, systems), companions)

    def raw(self, history: History, now: int) -> dict[str, Scores]:
        """Scores of ``item_ids`` as each system gives them; empty when nothing is known of the shopper.

        Args:
            history: The shopper.
            now: Microseconds since the epoch (UTC).
        """
        shopper = self.catalog.shopper(history, now)
        return self._generators.score(shopper) if len(shopper.item) else {}

    def best(self, history: History, now: int, top: int) -> dict[str, Ranked]:
        """The ``top`` best places of ``item_ids`` by every system and blend, with their scores; for evaluation.

        Where a system says nothing of an item, popularity breaks the tie: a list has to be filled.
        """
        shopper = self.catalog.shopper(history, now)
        raw = self._generators.score(shopper) if len(shopper.item) else {}
        if not raw:
            return dict.fromkeys(self.systems, self._ranked(self.popularity, self._most_popular(top), top))
        found: dict[str, Ranked] = {}
        tie_break = TIE_BREAK * self.popularity
        for name, scores in raw.items():
            # What a system says nothing of is ordered by popularity, so only its most popular can come in.
            near = np.union1d(known_places(scores), self._most_popular(top))
            found[name] = self._ranked(scores + tie_break, near, top)
        everything = np.arange(len(self.item_ids))
        for name, weights in self._blends.items():
            scores = self._blend(raw, weights)
            found[name] = self._ranked(scores, everything, top)
            if name == BLEND and not self._rules.ask_nothing:
                chosen = self._rules.choose(scores, self._kind, self._bought(shopper), top)
                # In their order: what a rule moved back has a higher score than what stands before it.
                found[name] = chosen, -np.arange(len(chosen), dtype=np.float64)
        return found

    def recommend(
        self,
        history: History,
        now: int,
        k: int,
        allowed: Allowed | None = None,
        observe: Callable[[FeatureValues], None] | None = None,
        wishes: Wishes = NO_WISHES,
    ) -> RankedList:
        """The ``k`` best items for a shopper; popularity when nothing is known.

        Args:
            history: The shopper.
            now: Microseconds since the epoch (UTC).
            k: Places.
            allowed: Which of ``item_ids`` may be in the list, shape ``(n,)``; all of them without.
            observe: Told the features of the items in the list; not called when popularity answers.
            wishes: Of the request.
        """
        scored = self._scored(history, now)
        if scored is None:
            return self.popular(k, allowed, wishes)
        scores = wishes.weigh(scored.scores)
        chosen = self._chosen(scored.shopper, scores, k, allowed, wishes.rules or self._rules)
        if observe is not None:
            observe(self._features(scored, chosen))
        return RankedList("blend", self._listed(scores, chosen, self._reasons(scored, chosen)))

    def taste(self, history: History, now: int) -> Scores | None:
        """What the blend says of every one of ``item_ids``, 0 or more; None when nothing is known of the shopper."""
        scored = self._scored(history, now)
        return None if scored is None else scored.scores

    def features(self, history: History, now: int, item_ids: Sequence[str]) -> FeatureValues:
        """What a list of ``item_ids`` is computed from; nothing where popularity answers.

        Raises:
            BundleError: An item is not sellable in this bundle.
        """
        strange = [item for item in item_ids if item not in self._place]
        if strange:
            raise BundleError(
                f"items: expected sellable items of this bundle, found {strange[0]!r}: name the bundle that served them"
            )
        scored = self._scored(history, now)
        return NOTHING if scored is None else self._features(scored, [self._place[item] for item in item_ids])

    def _scored(self, history: History, now: int) -> Scored | None:
        shopper = self.catalog.shopper(history, now)
        if not len(shopper.item):
            return None
        tables = self._generators.tables(shopper) if SEQUENCE.system in self._weighed else None
        raw = self._generators.score(shopper, self._weighed, tables)
        return Scored(shopper, tables, raw, self._blend(raw, self._blends[BLEND]))

    def _chosen(
        self, shopper: Shopper, scores: Scores, k: int, allowed: Allowed | None, rules: ListRules
    ) -> list[int]:
        if rules.ask_nothing:
            return self._top(scores, k, allowed)
        left = _only(scores, allowed)
        chosen: list[int] = rules.choose(left, self._kind, self._bought(shopper), k).tolist()
        return chosen

    def _bought(self, shopper: Shopper) -> NDArray[np.bool_]:
        """Which of ``item_ids`` the shopper bought before."""
        mine = np.zeros(len(self.catalog.ids), bool)
        mine[shopper.item] = True
        return mine[self.catalog.sellable]

    def _features(self, scored: Scored, places: list[int]) -> FeatureValues:
        at = np.array(places, np.int64)
        return collect(self._generators, scored.raw, scored.scores, scored.tables, at)

    def similar(self, item_id: str, k: int, allowed: Allowed | None = None) -> RankedList:
        """The ``k`` allowed items most often bought with one; popularity when it is unknown or stands alone."""
        index = self.catalog.position.get(item_id)
        if index is None:
            return self.popular(k, self.without([item_id], allowed))
        ids, title = self.catalog.ids, self.catalog.titles[index]
        found = tuple(
            Recommendation(str(ids[one.item]), one.strength, f"bought with {title} in {one.baskets} baskets")
            for one in self._companions.of(index)
            if self._may_show(str(ids[one.item]), allowed)
        )[:k]
        if found:
            return RankedList("cooccurrence", found)
        return self.popular(k, self.without([item_id], allowed))

    def rank(self, history: History, now: int, items: Sequence[str]) -> RankedList:
        """A list of the shop's own, in the order that suits a shopper.

        Args:
            history: The shopper.
            now: Microseconds since the epoch (UTC).
            items: Distinct. What the model cannot score stands last, in the order in which it was given.
        """
        known = [self._place[item] for item in items if item in self._place]
        mine = np.zeros(len(self.item_ids), bool)
        mine[known] = True
        ranked = self.recommend(history, now, len(known), mine)
        strange = (item for item in items if item not in self._place)
        rest = (Recommendation(item, 0.0, "not known to the model") for item in strange)
        return RankedList(ranked.source, (*ranked.items, *rest))

    def complements(
        self,
        basket: Collection[str],
        k: int,
        allowed: Allowed | None = None,
        history: History | None = None,
        now: int = 0,
        wishes: Wishes = NO_WISHES,
    ) -> RankedList:
        """The ``k`` allowed items that go with a basket best; popularity when nothing does.

        What the basket asks for and what the shopper likes, each as a share of the best, are weighed and summed.

        Args:
            basket: Items in it; those that the catalog does not know ask for nothing.
            k: Places. Where the basket asks for fewer, the rest is by popularity.
            allowed: Which of ``item_ids`` may be in the list; what is in the basket is not.
            history: Whose basket it is; without one, or of a shopper who is not known, the basket alone counts.
            now: Microseconds since the epoch (UTC); asked for with a history alone.
            wishes: Of the request.
        """
        known = {self.catalog.position[item] for item in basket if item in self.catalog.position}
        places = np.array(sorted(known), np.int64)
        others = self.without(basket, allowed)
        asked = self._companions.completing(places)[self.catalog.sellable]
        scored = self._scored(history, now) if history is not None and self._taste_beside_basket else None
        scores = asked
        if scored is not None:
            taste = self._taste_beside_basket * _share_of_best(scored.scores, others)
            scores = _share_of_best(asked, others) + taste
        if not (scores[others] > 0).any():
            return self.popular(k, others, wishes)
        scores = wishes.weigh(scores)
        # Bound to their sum, popularity only orders what is not asked for.
        filled = scores + TIE_BREAK * self.popularity / max(self.popularity.sum(), 1.0)
        shopper = self._nobody if scored is None else scored.shopper
        chosen = self._chosen(shopper, filled, k, others, wishes.rules or NO_RULES)
        liked = [place for place in chosen if not asked[place]]
        why = {} if scored is None else dict(zip(liked, self._reasons(scored, liked), strict=True))
        said = [why.get(place) or self._completes(places, place) for place in chosen]
        return RankedList("complements", self._listed(scores, chosen, said))

    def _completes(self, basket: NDArray[np.int64], place: int) -> str:
        found = self._companions.strongest(basket, int(self.catalog.sellable[place]))
        if found is None:
            return POPULAR
        source, shared = found
        title = self.catalog.titles[source]
        return f"with {title} in {shared.baskets} baskets, {shared.lift:.1f} times as often as by chance"

    def place_of(self, item_id: str) -> int:
        """Where an item stands in ``item_ids``; it is one of them."""
        return self._place[item_id]

    def _may_show(self, item_id: str, allowed: Allowed | None) -> bool:
        place = self._place.get(item_id)
        return place is not None and (allowed is None or bool(allowed[place]))

    def without(self, item_ids: Iterable[str], allowed: Allowed | None = None) -> Allowed:
        """All that is allowed but some; strange items leave nothing out."""
        left = np.ones(len(self.item_ids), bool) if allowed is None else allowed.copy()
        left[[self._place[item] for item in item_ids if item in self._place]] = False
        return left

    def only(self, wanted: Mapping[str, Sequence[str]]) -> Allowed:
        """Those of ``item_ids`` that have one of the names of every attribute that is asked for."""
        return np.asarray(self.catalog.attributes.where(wanted)[self.catalog.sellable], bool)

    def popular(self, k: int, allowed: Allowed | None = None, wishes: Wishes = NO_WISHES) -> RankedList:
        """The ``k`` allowed items bought most of late: the end of the fallback chain."""
        scores = wishes.weigh(self.popularity)
        chosen = self._chosen(self._nobody, scores, k, allowed, wishes.rules or NO_RULES)
        return RankedList("popularity", self._listed(scores, chosen, repeat(POPULAR)))

    def title(self, item_id: str) -> str:
        """Name of an item for people; its id when it is not in the catalog."""
        index = self.catalog.position.get(item_id)
        return item_id if index is None else self.catalog.titles[index]

    @property
    def systems(self) -> list[str]:
        """Names of all systems and blends."""
        return [*self._generators.systems, *self._blends]

    def _most_popular(self, top: int) -> NDArray[np.int64]:
        if top not in self._popular_places:
            self._popular_places[top] = top_places(self.popularity, top)
        return self._popular_places[top]

    @staticmethod
    def _ranked(scores: Scores, places: NDArray[np.int64], top: int) -> Ranked:
        chosen = places[top_places(scores[places], top)]
        return chosen, scores[chosen]

    def _blend(self, raw: dict[str, Scores], weights: Weights) -> Scores:
        total = np.zeros(len(self.item_ids))
        known: dict[str, NDArray[np.int64]] = {}
        for component, weight in weights:
            if weight > 0:
                scores = raw[component.system]
                if component.scale == "logit":
                    scaled = normalise(scores, component.scale)
                    scaled *= weight
                    total += scaled
                    continue
                # Zero stays zero on the other scales: most systems know a few hundred items of the catalog, and those
                # that count what the shopper bought all know the same.
                family = "bought" if component.system in DECAYS else component.system
                if family not in known:
                    known[family] = np.flatnonzero(scores != 0)
                places = known[family]
                if len(places):
                    total[places] += weight * normalise(scores[places], component.scale)
        return total

    def _reasons(self, scored: Scored, places: list[int]) -> list[str]:
        return reasons(self.catalog, self._generators, scored.shopper, scored.raw, places)

    def _listed(self, scores: Scores, places: list[int], why: Iterable[str]) -> tuple[Recommendation, ...]:
        names, values = self.item_ids[places].tolist(), scores[places].tolist()
        return tuple(map(Recommendation, names, values, why))

    def _top(self, scores: Scores, k: int, allowed: Allowed | None) -> list[int]:
        if allowed is not None:
            scores, k = _only(scores, allowed), min(k, int(allowed.sum()))
        best: list[int] = top_places(scores, k).tolist()
        return best


def _only(scores: Scores, allowed: Allowed | None) -> Scores:
    """The scores with ``-inf`` for what is not allowed."""
    return scores if allowed is None else np.where(allowed, scores, -np.inf)


def _share_of_best(scores: Scores, among: Allowed) -> Scores:
    """Each score by the largest one of those that may be chosen, where that is above zero."""
    best = float(scores[among].max(initial=0.0))
    return scores / best if best > 0 else np.zeros_like(scores)
