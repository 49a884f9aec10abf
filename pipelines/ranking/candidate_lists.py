"""The best of one retriever for many users: what it hands on to be blended. NumPy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CandidateLists:
    """Best items of each user, best first.

    Attributes:
        item: Position in the catalog, -1 for no place, shape ``(users, depth)``.
        score: As the retriever gave it; what stands beside -1 is not read, shape ``(users, depth)``.
        items: Size of the catalog.
    """

    item: NDArray[np.int32]
    score: NDArray[np.float32]
    items: int

    @classmethod
    def of(cls, scores: NDArray[np.float32], depth: int) -> "CandidateLists":
        """The ``depth`` best of each row; what scores minus infinity takes no place.

        Args:
            scores: Shape ``(users, items)``.
            depth: Places, fewer when the catalog is smaller.
        """
        depth = min(depth, scores.shape[1])
        user, near = np.nonzero(_may_be_listed(scores, depth))
        count = np.bincount(user, minlength=len(scores))
        spot = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
        score = np.full((len(scores), int(count.max(initial=depth))), -np.inf, np.float32)
        item = np.full(score.shape, -1, np.int32)
        score[user, spot], item[user, spot] = scores[user, near], near
        best = np.argsort(-score, axis=1, kind="stable")[:, :depth]
        item, score = np.take_along_axis(item, best, axis=1), np.take_along_axis(score, best, axis=1)
        return cls(np.where(np.isneginf(score), np.int32(-1), item), score, scores.shape[1])

    @classmethod
    def joined(cls, parts: "list[CandidateLists]") -> "CandidateLists":
        """Lists of some users, then of the next."""
        item, score = (np.concatenate([getattr(part, name) for part in parts]) for name in ("item", "score"))
        return cls(item, score, parts[0].items)

    def __len__(self) -> int:
        return len(self.item)

    def take(self, users: NDArray[np.int64] | slice) -> "CandidateLists":
        """Lists of some users, in the given order."""
        return CandidateLists(self.item[users], self.score[users], self.items)

    def first(self, places: int) -> "CandidateLists":
        """Every list cut after some places."""
        return CandidateLists(self.item[:, :places], self.score[:, :places], self.items)


def _may_be_listed(scores: NDArray[np.float32], depth: int) -> NDArray[np.bool_]:
    """Whether an item can be among the ``depth`` best of its row: true of all that are, and of not many more."""
    reached = _reached_by(scores, depth)
    near = scores >= reached[:, None]
    for user in np.flatnonzero(near.sum(axis=1) > 4 * depth):
        # Mostly what a sparse retriever says nothing of: of what scores the same the first in the catalog do.
        near[user, np.flatnonzero(scores[user] == reached[user])[depth:]] = False
    return near


def _reached_by(scores: NDArray[np.float32], depth: int) -> NDArray[np.float32]:
    """A score that at least ``depth`` items of each row reach, and not many more.

    So many blocks of the catalog hold an item that reaches the ``depth``-th best of the maxima of blocks; to find it
    is several times quicker than to partition whole rows.
    """
    users, items = scores.shape
    blocks = min(items, 4 * depth)
    size = items // blocks
    maxima = scores[:, : blocks * size].reshape(users, blocks, size).max(axis=2)
    return np.asarray(np.partition(maxima, blocks - depth, axis=1)[:, blocks - depth])
