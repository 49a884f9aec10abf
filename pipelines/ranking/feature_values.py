"""What a list was computed from, by name: the same code says it while serving and when it is replayed. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.ranking.generators import Generators
from pipelines.retrieval.sequence import ShopperTables

SCORE = "score"
TABLE_NAMES = tuple(f"{of}.{name}" for of in ("item", "type") for name in HISTORY_FEATURES)
SHOPPER_NAMES = tuple(f"shopper.{name}" for name in CONTEXT_FEATURES)


@dataclass(frozen=True)
class FeatureValues:
    """Features of one request.

    Attributes:
        item_ids: The items, in the order of the list, shape ``(n,)``.
        item_names: ``score`` (of the blend), ``score.<system>``, and where the blend has a neural part
            ``item.<feature>`` and ``type.<feature>``.
        item_values: Shape ``(n, len(item_names))``; NaN where the shopper never bought the item or its type.
        shopper_names: ``shopper.<feature>``; none without a neural part.
        shopper_values: Shape ``(len(shopper_names),)``.
    """

    item_ids: tuple[str, ...]
    item_names: tuple[str, ...]
    item_values: NDArray[np.float64]
    shopper_names: tuple[str, ...]
    shopper_values: NDArray[np.float64]


NOTHING = FeatureValues((), (), np.zeros((0, 0)), (), np.zeros(0))
"""Of a request that popularity answered: nothing was computed."""


def collect(
    generators: Generators,
    raw: Mapping[str, NDArray[np.float64]],
    scores: NDArray[np.float64],
    tables: ShopperTables | None,
    places: NDArray[np.int64],
) -> FeatureValues:
    """Take what was computed for some of the sellable items.

    Args:
        generators: What computed it.
        raw: Scores of the sellable items by system.
        scores: Those of the blend.
        tables: Features that the neural part was given, None without one.
        places: The items, as positions among the sellable.
    """
    catalog = generators.catalog
    item = catalog.sellable[places]
    columns = [scores[places], *(found[places] for found in raw.values())]
    names = [SCORE, *(f"{SCORE}.{system}" for system in raw)]
    values = np.stack(columns, axis=1)
    shopper_names: tuple[str, ...] = ()
    shopper_values = np.zeros(0)
    if tables is not None and generators.sequence is not None:
        names += TABLE_NAMES
        values = np.concatenate([values, generators.sequence.features_of(tables, item)], axis=1)
        shopper_names, shopper_values = SHOPPER_NAMES, tables.context[0].astype(np.float64)
    item_ids = tuple(catalog.ids[item].tolist())
    return FeatureValues(item_ids, tuple(names), values, shopper_names, shopper_values)
