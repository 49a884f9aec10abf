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
        items = scores.shape[1]
        near = np.argpartition(-scores, min(depth, items) - 1, axis=1)[:, :depth]
        score = np.take_along_axis(scores, near, axis=1)
        order = np.lexsort((near, -score), axis=1)
        item = np.take_along_axis(near, order, axis=1).astype(np.int32)
        score = np.take_along_axis(score, order, axis=1).astype(np.float32)
        return cls(np.where(np.isneginf(score), np.int32(-1), item), score, items)

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
