"""What lists are like beside being right: coverage, novelty, popularity bias, diversity (Castells et al., 2022)."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipelines.retrieval.interactions import Interactions

LISTS = 2_000
"""Lists whose diversity is computed, at most; drawn."""
LATEST = 50
"""Events of a user that count for co-occurrence, so that its cost stays linear in the users."""


class ListQuality:
    """Judges lists by what they were learned from.

    Args:
        train: The interactions that the retriever was fitted on.
    """

    def __init__(self, train: Interactions) -> None:
        self._count = np.bincount(train.item, minlength=train.items).astype(np.float64)
        self._users = max(1, int((train.lengths > 0).sum()))
        latest = train.latest(LATEST)
        held = sparse.csr_matrix(
            (np.ones(len(latest.item), np.float32), (latest.user, latest.item)), (len(train), train.items)
        )
        held.data[:] = 1.0
        length = np.sqrt(np.maximum(np.asarray(held.sum(axis=0)).ravel(), 1.0))
        self._vectors = (held @ sparse.diags(1.0 / length)).T.tocsr()

    def judge(self, lists: NDArray[np.int32], histories: Interactions) -> dict[str, float]:
        """All figures of some lists.

        Args:
            lists: Positions in the catalog, -1 for no place, shape ``(users, k)``.
            histories: What the same users are known by.
        """
        return {
            "coverage": self.coverage(lists),
            "novelty": self.novelty(lists),
            "popularity_lift": self.popularity_lift(lists, histories),
            "intra_list_diversity": self.diversity(lists),
        }

    def coverage(self, lists: NDArray[np.int32]) -> float:
        """Share of the catalog that stands in somebody's list."""
        return len(np.unique(lists[lists >= 0])) / len(self._count)

    def novelty(self, lists: NDArray[np.int32]) -> float:
        """Mean self-information in bits: how few users touched what is listed (one is added to each count)."""
        share = (self._count + 1.0) / (self._users + 1.0)
        return (
            float(-np.log2(np.minimum(share, 1.0))[lists[lists >= 0]].mean()) if (lists >= 0).any() else 0.0
        )

    def popularity_lift(self, lists: NDArray[np.int32], histories: Interactions) -> float:
        """How much more popular listed items are than those of the histories, 0 for equally (Abdollahpouri, 2020)."""
        known = self._count[histories.item].mean() if len(histories.item) else 0.0
        listed = self._count[lists[lists >= 0]].mean() if (lists >= 0).any() else 0.0
        return float(listed / known - 1.0) if known else 0.0

    def diversity(self, lists: NDArray[np.int32]) -> float:
        """One minus the mean cosine of the items of a list, by who touched them, over lists of two and more.

        The mean over pairs follows from the length of the sum of the unit vectors, without a matrix of all pairs.
        """
        placed = lists >= 0
        count = placed.sum(axis=1)
        used = np.random.default_rng(1).permutation(np.flatnonzero(count > 1))[:LISTS]
        if not len(used):
            return 0.0
        row, column = np.nonzero(placed[used])
        listed = sparse.csr_matrix(
            (np.ones(len(row), np.float32), (row, lists[used][row, column])), (len(used), len(self._count))
        )
        own = np.asarray(listed @ self._vectors.multiply(self._vectors).sum(axis=1)).ravel()
        total = listed @ self._vectors
        squared = np.asarray(total.multiply(total).sum(axis=1)).ravel()
        pairs = count[used] * (count[used] - 1.0)
        return float(1.0 - ((squared - own) / pairs).mean())
