"""Features of many requests by one bundle: ``python -m pipelines.ranking.replay_features BUNDLE HISTORIES ASKED OUT``.

A bundle carries its own copy of this file: what a release served is computed again by the code it was judged with.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.features.histories import Histories
from pipelines.ranking.blended import BlendedRecommender
from pipelines.ranking.bundle import read_arrays, write_arrays
from pipelines.ranking.feature_values import NOTHING, FeatureValues

_ASKED = ("moments", "offsets", "item_ids")


@dataclass(frozen=True)
class Asked:
    """Requests, in the order of the histories.

    Attributes:
        moments: When each was asked, microseconds since the epoch (UTC), shape ``(n,)``.
        offsets: Items of request r are ``offsets[r]:offsets[r + 1]``, shape ``(n + 1,)``.
        item_ids: The items that the lists held, shape ``(items,)``.
    """

    moments: NDArray[np.int64]
    offsets: NDArray[np.int64]
    item_ids: NDArray[np.str_]

    @classmethod
    def load(cls, path: Path) -> "Asked":
        """Read what :meth:`save` wrote."""
        return cls(*read_arrays(path, *_ASKED))

    @classmethod
    def of(cls, moments: list[int], lists: list[tuple[str, ...]]) -> "Asked":
        """From a moment and a list of items for each request."""
        lengths = [len(items) for items in lists]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        item_ids = np.array([item for items in lists for item in items], np.str_)
        return cls(np.array(moments, np.int64), offsets, item_ids)

    def save(self, path: Path) -> None:
        """Write as npz."""
        write_arrays(path, {name: getattr(self, name) for name in _ASKED})

    def items_of(self, request: int) -> list[str]:
        """The list of one request."""
        found: list[str] = self.item_ids[self.offsets[request] : self.offsets[request + 1]].tolist()
        return found


def replay_features(
    recommender: BlendedRecommender, histories: Histories, asked: Asked
) -> list[FeatureValues]:
    """Features of every request, computed anew."""
    return [
        recommender.features(history, int(now), asked.items_of(request))
        for request, (history, now) in enumerate(zip(histories, asked.moments, strict=True))
    ]


def save_values(path: Path, found: list[FeatureValues]) -> None:
    """Write features of many requests as npz; those that popularity answers have none."""
    known = [values for values in found if values.item_names]
    first = known[0] if known else NOTHING
    arrays: dict[str, NDArray[np.generic]] = {
        "known": np.array([bool(values.item_names) for values in found], np.bool_),
        "item_names": np.array(first.item_names, np.str_),
        "item_values": np.concatenate([values.item_values for values in known] or [NOTHING.item_values]),
        "shopper_names": np.array(first.shopper_names, np.str_),
        "shopper_values": np.stack([values.shopper_values for values in known] or [NOTHING.shopper_values]),
    }
    write_arrays(path, arrays)


def load_values(path: Path, asked: Asked) -> list[FeatureValues]:
    """Read what :func:`save_values` wrote of requests."""
    names, shopper_names = read_arrays(path, "item_names", "shopper_names")
    known, item_values, shopper_values = read_arrays(path, "known", "item_values", "shopper_values")
    found, row = [], 0
    for request, is_known in enumerate(known):
        if not is_known:
            found.append(NOTHING)
            continue
        item_ids = tuple(asked.items_of(request))
        values = item_values[row : row + len(item_ids)]
        of_shopper = shopper_values[int(known[:request].sum())]
        found.append(
            FeatureValues(item_ids, tuple(names.tolist()), values, tuple(shopper_names.tolist()), of_shopper)
        )
        row += len(item_ids)
    return found


def main() -> None:
    """Command line."""
    bundle, histories, asked, out = map(Path, sys.argv[1:])
    found = replay_features(BlendedRecommender.load(bundle), Histories.load(histories), Asked.load(asked))
    save_values(out, found)


if __name__ == "__main__":
    main()
