"""Why an item stands in a shopper's list, in a shop's words. NumPy only."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.catalog import Catalog, Shopper
from pipelines.ranking.generators import Generators

POPULAR = "popular in this shop"


def reasons(
    catalog: Catalog,
    generators: Generators,
    shopper: Shopper,
    raw: Mapping[str, NDArray[np.float64]],
    places: Sequence[int],
) -> list[str]:
    """One for each item: the shopper's own purchases, else what they lead to, else who buys alike.

    Args:
        catalog: The items.
        generators: What scored them.
        shopper: Whose list it is.
        raw: What each system said of the sellable items.
        places: The items, as positions among the sellable.
    """
    items = catalog.sellable[np.asarray(places, np.int64)]
    mine = items[:, None] == shopper.item
    times = mine.sum(axis=1).tolist()
    last = np.where(mine, shopper.age, np.inf).min(axis=1, initial=np.inf).tolist()
    found = []
    for place, item, count, days in zip(places, items.tolist(), times, last, strict=True):
        if count:
            found.append(_bought(count, days))
        elif (source := generators.leads_to(shopper, item)) is not None:
            found.append(f"often bought after {catalog.titles[source]}")
        elif "neighbours" in raw and raw["neighbours"][place] > 0:
            found.append("bought by households with baskets like yours")
        else:
            found.append(POPULAR)
    return found


def _bought(times: int, days: float) -> str:
    ago = "today" if days < 1 else "yesterday" if days < 2 else f"{int(days)} days ago"
    return f"you bought it {ago}" if times == 1 else f"you bought it {times} times, last {ago}"
