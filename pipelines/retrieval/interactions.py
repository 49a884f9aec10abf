"""Interactions of many users as plain integer columns: what retrievers are fitted on and asked with. NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.retrieval.rows import gather_rows


@dataclass(frozen=True)
class Interactions:
    """One row a user, each in order of time.

    Invariants:
        ``offsets`` begins with 0, never falls and ends with the number of events; within a row ``moment`` never falls.
        Events of one row with one moment are a set (a basket): they never predict each other.

    Attributes:
        offsets: Row u is ``offsets[u]:offsets[u + 1]``, shape ``(users + 1,)``.
        item: Position in the catalog, shape ``(events,)``.
        moment: When, in a unit of the caller's choice; the place in the row without a time, shape ``(events,)``.
        items: Size of the catalog. It may hold items that nobody here touched.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    moment: NDArray[np.float64]
    items: int

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], items: int) -> "Interactions":
        """Rows without times: every event is a moment of its own."""
        lengths = np.array([len(row) for row in rows], np.int64)
        flat = np.fromiter((item for row in rows for item in row), np.int32, int(lengths.sum()))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(offsets, flat, _places(offsets).astype(np.float64), items)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each row, shape ``(users,)``."""
        return np.diff(self.offsets)

    @property
    def user(self) -> NDArray[np.int64]:
        """Row of each event, shape ``(events,)``."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def steps_back(self) -> NDArray[np.int64]:
        """How many moments ago from the end of its row each event is; 1 for the latest; shape ``(events,)``."""
        if not len(self.item):
            return np.zeros(0, np.int64)
        user = self.user
        begins = np.concatenate([[True], (np.diff(user) > 0) | (np.diff(self.moment) > 0)])
        moment = np.cumsum(begins)
        last = np.zeros(len(self), np.int64)
        last[user] = moment  # ascending: the latest of a row stays
        return np.asarray(last[user] - moment + 1, np.int64)

    def row(self, user: int) -> NDArray[np.int32]:
        """The items of one row."""
        return self.item[self.offsets[user] : self.offsets[user + 1]]

    def take(self, users: NDArray[np.int64]) -> "Interactions":
        """Some rows, in the given order."""
        spots, lengths = gather_rows(self.offsets, users)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Interactions(offsets, self.item[spots], self.moment[spots], self.items)

    def without_last(self, count: int) -> "Interactions":
        """Every row without its last ``count`` events; a shorter row is left empty."""
        keep = _places(self.offsets) < np.repeat(self.lengths - count, self.lengths)
        lengths = np.maximum(self.lengths - count, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Interactions(offsets, self.item[keep], self.moment[keep], self.items)

    def latest(self, count: int) -> "Interactions":
        """Every row with at most its last ``count`` events."""
        keep = _places(self.offsets) >= np.repeat(self.lengths - count, self.lengths)
        lengths = np.minimum(self.lengths, count)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Interactions(offsets, self.item[keep], self.moment[keep], self.items)

    def from_end(self, back: int) -> NDArray[np.int64]:
        """The item ``back`` places from the end of each row (1: the last), -1 where the row is shorter."""
        there = self.lengths >= back
        found = np.full(len(self), -1, np.int64)
        found[there] = self.item[self.offsets[1:][there] - back]
        return found


def _places(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    lengths = np.diff(offsets)
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
