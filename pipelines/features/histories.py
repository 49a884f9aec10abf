"""Shopping histories of many shoppers in flat arrays. NumPy only: a bundle's own code reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import History
from pipelines.ranking.bundle import read_arrays, write_arrays

_ARRAYS = ("user_ids", "offsets", "item_ids", "items", "times", "baskets")


@dataclass(frozen=True)
class Histories:
    """Ragged histories, one after another.

    Attributes:
        user_ids: Shoppers, shape ``(users,)``.
        offsets: Rows of user u are ``offsets[u]:offsets[u + 1]``, shape ``(users + 1,)``.
        item_ids: Table of item ids, sorted, shape ``(items,)``.
        items: Position in ``item_ids`` of each row, shape ``(rows,)``.
        times: Microseconds since the epoch (UTC), shape ``(rows,)``.
        baskets: Ordinal of the basket within the shopper, shape ``(rows,)``.
    """

    user_ids: NDArray[np.str_]
    offsets: NDArray[np.int64]
    item_ids: NDArray[np.str_]
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    baskets: NDArray[np.int32]

    @classmethod
    def from_columns(
        cls,
        user_id: NDArray[Any],
        item_id: NDArray[Any],
        times: NDArray[np.int64],
        baskets: NDArray[np.int32],
    ) -> "Histories":
        """From equally long columns sorted by shopper, basket and item."""
        opens = np.flatnonzero(
            np.concatenate([np.ones(min(len(user_id), 1), bool), user_id[1:] != user_id[:-1]])
        )
        codes: dict[Any, int] = {}
        first_seen = np.fromiter(
            (codes.setdefault(item, len(codes)) for item in item_id), np.int32, len(item_id)
        )
        ids = np.array([str(item) for item in codes], dtype=np.str_)
        order = np.argsort(ids)
        rank = np.empty(len(ids), np.int32)
        rank[order] = np.arange(len(ids))
        return cls(
            user_ids=user_id[opens].astype(np.str_),
            offsets=np.append(opens, len(user_id)).astype(np.int64),
            item_ids=ids[order],
            items=rank[first_seen],
            times=times.astype(np.int64),
            baskets=baskets.astype(np.int32),
        )

    @classmethod
    def load(cls, path: Path) -> "Histories":
        """Read what :meth:`save` wrote."""
        return cls(*read_arrays(path, *_ARRAYS))

    def save(self, path: Path) -> None:
        """Write an npz whose bytes depend on the histories alone."""
        write_arrays(path, {name: getattr(self, name) for name in _ARRAYS})

    def take(self, wanted: NDArray[np.str_]) -> "Histories":
        """The histories of some shoppers, in their order; one who is not here has an empty history."""
        if not len(self):
            nobody = np.zeros(len(wanted) + 1, np.int64)
            return Histories(wanted, nobody, self.item_ids, self.items, self.times, self.baskets)
        at = np.searchsorted(self.user_ids, wanted)
        found = (at < len(self.user_ids)) & (self.user_ids[np.minimum(at, len(self.user_ids) - 1)] == wanted)
        starts = np.where(found, self.offsets[np.where(found, at, 0)], 0)
        lengths = np.where(found, self.offsets[np.where(found, at, 0) + 1] - starts, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Histories(
            wanted, offsets, self.item_ids, self.items[rows], self.times[rows], self.baskets[rows]
        )

    def __iter__(self) -> Iterator[History]:
        """One :class:`History` a shopper."""
        for user, (start, end) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            items = self.item_ids[self.items[start:end]]
            yield History(str(self.user_ids[user]), items, self.times[start:end], self.baskets[start:end])

    def __len__(self) -> int:
        """Number of shoppers."""
        return len(self.user_ids)
