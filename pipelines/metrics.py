"""Ranking metrics over full-catalog lists, ties taken pessimistically. NumPy only.

A list is scored through the *ranks* of its relevant items: 1 is the top place, and a relevant item
that ties with others stands behind all of them, so that a constant score earns nothing.
Definitions: Järvelin and Kekäläinen (2002) for DCG with binary gains; the ideal list holds
``min(k, relevant)`` relevant items.
"""

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]

PERMUTED = "permuted_"
"""Begins the name of a metric of which the household was judged by what another one bought."""


def relevant_ranks(items: NDArray[np.str_], scores: NDArray[np.float64], relevant: set[str]) -> Ranks:
    """Pessimistic ranks of the relevant items that a list holds.

    Args:
        items: Item ids of the list, shape ``(n,)``, each at most once.
        scores: Their scores, shape ``(n,)``; the order of the list itself is not trusted.
        relevant: Ids of the items that were bought.

    Returns:
        Ascending ranks, shape ``(number of relevant items in the list,)``.
    """
    is_relevant = np.fromiter((item in relevant for item in items), bool, len(items))
    order = np.lexsort((is_relevant, -scores))
    return np.flatnonzero(is_relevant[order]) + 1


def ndcg_at_k(ranks: Ranks, relevant: int, k: int) -> float:
    """Normalised discounted cumulative gain of the first ``k`` places, in [0, 1]."""
    gains = 1.0 / np.log2(ranks[ranks <= k] + 1.0)
    ideal = 1.0 / np.log2(np.arange(2, min(k, relevant) + 2))
    return float(gains.sum() / ideal.sum()) if relevant else 0.0


def recall_at_k(ranks: Ranks, relevant: int, k: int) -> float:
    """Share of the relevant items that stand in the first ``k`` places, in [0, 1]."""
    return float((ranks <= k).sum() / relevant) if relevant else 0.0


def mrr_at_k(ranks: Ranks, k: int) -> float:
    """Reciprocal rank of the first relevant item, 0 when none stands in the first ``k`` places."""
    return float(1.0 / ranks[0]) if len(ranks) and ranks[0] <= k else 0.0


def hit_at_k(ranks: Ranks, k: int) -> float:
    """1 when a relevant item stands in the first ``k`` places, else 0."""
    return float(len(ranks) > 0 and ranks[0] <= k)
