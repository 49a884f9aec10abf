"""All candidate generators of a bundle, scoring the sellable items for one shopper."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import read_archive
from pipelines.ranking.catalog import Catalog, Shopper
from pipelines.ranking.components import DECAYS
from pipelines.retrieval.factors import Factors, taste_for
from pipelines.retrieval.frequency import score_due, score_frequency
from pipelines.retrieval.markov import Transitions, recent_purchases
from pipelines.retrieval.neighbours import Neighbours
from pipelines.retrieval.rows import WeightedRows
from pipelines.retrieval.sequence import SequenceScorer, ShopperTables

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Generators:
    """The generators that a bundle's blends use.

    Attributes:
        catalog: The items.
        systems: Names of the scores, in a fixed order.
        markov: Transitions, None when no blend uses them.
        neighbours: User kNN, None when no blend uses it.
        als: Matrix factorisation, None when no blend uses it.
        sequence: The neural part, None when no blend uses it.
    """

    catalog: Catalog
    systems: tuple[str, ...]
    markov: Transitions | None
    neighbours: Neighbours | None
    als: Factors | None
    sequence: SequenceScorer | None

    @classmethod
    def load(cls, bundle: Path, catalog: Catalog, systems: set[str]) -> "Generators":
        """Load those that are in use.

        Raises:
            BundleError: A file is missing or corrupt.
        """
        return cls(
            catalog=catalog,
            systems=tuple(sorted(systems)),
            markov=Transitions.load(bundle / "markov.npz") if "markov" in systems else None,
            neighbours=Neighbours.load(bundle / "neighbours.npz") if "neighbours" in systems else None,
            als=Factors.load(bundle / "als.npz") if "als" in systems else None,
            sequence=SequenceScorer(read_archive(bundle / "sequence.npz"), catalog.sellable)
            if "sequence" in systems
            else None,
        )

    # What is scored is what is sold: half of a catalog's items are only known from histories.

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        assert self.als is not None
        return np.ascontiguousarray(self.als.vectors[self.catalog.sellable])

    @cached_property
    def _votes(self) -> WeightedRows:
        assert self.neighbours is not None
        return self.neighbours.votes.on(self.catalog.place_for_sale, len(self.catalog.sellable))

    @cached_property
    def _transitions(self) -> WeightedRows:
        assert self.markov is not None
        return self.markov.rows.on(self.catalog.place_for_sale, len(self.catalog.sellable))

    def tables(self, shopper: Shopper) -> ShopperTables | None:
        """Features that the neural part is given, None without one; the shopper has at least one purchase."""
        if self.sequence is None:
            return None
        return self.sequence.tables(shopper.item, shopper.age, shopper.basket)

    def score(
        self,
        shopper: Shopper,
        wanted: Collection[str] | None = None,
        tables: ShopperTables | None = None,
    ) -> dict[str, Scores]:
        """Raw scores of the sellable items.

        Args:
            shopper: With at least one purchase.
            wanted: The systems to ask, by default all.
            tables: What :meth:`tables` makes of the shopper, where it is there already.
        """
        sellable, reach, items = self.catalog.sellable, self.catalog.reach, len(self.catalog.sellable)
        place = self.catalog.place_for_sale[shopper.item]
        sold = place >= 0
        item, age = place[sold], shopper.age[sold]
        systems = [system for system in self.systems if wanted is None or system in wanted]
        found: dict[str, Scores] = {}
        for system in systems:
            if system in DECAYS:
                found[system] = score_frequency(item, age, items, DECAYS[system])
        if "popularity" in systems:
            found["popularity"] = self.catalog.popularity[sellable].astype(np.float64)
        if "shown" in systems:
            found["shown"] = reach[sellable].astype(np.float64)
        if "shown_popularity" in systems:
            found["shown_popularity"] = (reach * self.catalog.popularity)[sellable].astype(np.float64)
        if "shown_frequency" in systems:
            found["shown_frequency"] = reach[sellable] * score_frequency(item, age, items, 0.95)
        if "due" in systems:
            found["due"] = score_due(item, age, items)
        if self.markov is not None and "markov" in systems:
            found["markov"] = self._transitions.total(*recent_purchases(shopper.item, shopper.age))
        if self.neighbours is not None and "neighbours" in systems:
            found["neighbours"] = self._votes.total(*self.neighbours.nearest(shopper.item, shopper.age))
        if self.als is not None and "als" in systems:
            found["als"] = taste_for(self._vectors, self.als.fold_in(shopper.item, shopper.age))
        if self.sequence is not None and "sequence" in systems:
            found["sequence"] = self.sequence.score(shopper.item, shopper.age, shopper.basket, tables)
        return {system: found[system] for system in systems}

    def leads_to(self, shopper: Shopper, item: int) -> int | None:
        """Which of the shopper's recent purchases most often leads to ``item``, None for none."""
        return None if self.markov is None else self.markov.strongest_source(shopper.item, shopper.age, item)
