"""Scores many histories with one bundle: ``python -m pipelines.ranking.score_histories BUNDLE HISTORIES NOW TOP OUT``.

A bundle carries its own copy of this file, and evaluation runs that copy: champion and candidate are
each judged by the code they serve with.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.features.histories import Histories
from pipelines.ranking.blended import BlendedRecommender
from pipelines.ranking.bundle import write_arrays


def score_histories(
    recommender: BlendedRecommender, histories: Histories, now: int, top: int
) -> dict[str, NDArray[np.generic]]:
    """The best places of every system of a bundle, for every shopper.

    Args:
        recommender: The loaded bundle.
        histories: Shoppers as known at ``now``.
        now: Microseconds since the epoch (UTC).
        top: Places per list.

    Returns:
        ``systems`` of shape ``(s,)``, ``user_ids`` ``(u,)``, ``item_ids`` ``(n,)``, and of shape
        ``(s, u, top)`` ``items`` (positions in ``item_ids``, -1 for no place) and ``scores``.
    """
    rows = [recommender.best(history, now, top) for history in histories]
    systems = list(rows[0])
    items = np.full((len(systems), len(rows), top), -1, np.int32)
    scores = np.full(items.shape, -np.inf)
    for user, found in enumerate(rows):
        for place, system in enumerate(systems):
            best, values = found[system]
            items[place, user, : len(best)], scores[place, user, : len(best)] = best, values
    item_ids = np.array(recommender.item_ids)
    return {
        "systems": np.array(systems),
        "user_ids": histories.user_ids,
        "item_ids": item_ids,
        "items": items,
        "scores": scores,
    }


def main() -> None:
    """Command line."""
    bundle, histories, now, top, out = sys.argv[1:]
    recommender = BlendedRecommender.load(Path(bundle))
    write_arrays(Path(out), score_histories(recommender, Histories.load(Path(histories)), int(now), int(top)))


if __name__ == "__main__":
    main()
