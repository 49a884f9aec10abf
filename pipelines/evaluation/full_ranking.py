"""Ranks the whole catalog for many users, chunk by chunk, and places one target a user in it.

Ties are taken pessimistically: a target stands behind everything that scores the same. With ``filtered`` seen items
are not ranked; a target that was seen before is then lost, as in RecBole and BSARec: the stricter of the two readings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.candidate_lists import CandidateLists
from pipelines.ranking.fusion import Fusion
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever

CELLS = 6_000_000
"""Scores that are held at a time."""


class Seen(StrEnum):
    """What becomes of the items that a history holds."""

    FILTERED = "filtered"
    KEPT = "kept"


@dataclass(frozen=True)
class Ranking:
    """Where each target stands, and the head of each list.

    Attributes:
        rank: 1 for the top place, ``items + 1`` for a target that is not ranked, shape ``(users,)``.
        lists: The best items of each user.
    """

    rank: NDArray[np.int64]
    lists: CandidateLists

    @classmethod
    def joined(cls, parts: "list[Ranking]") -> "Ranking":
        """Rankings of some users, then of the next."""
        lists = CandidateLists.joined([part.lists for part in parts])
        return cls(np.concatenate([part.rank for part in parts]), lists)

    def take(self, users: NDArray[np.int64]) -> "Ranking":
        """Some users, in the given order."""
        return Ranking(self.rank[users], self.lists.take(users))


def rank_targets(scores: NDArray[np.float32], target: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pessimistic rank of one target a row.

    Args:
        scores: Minus infinity for what is not ranked, shape ``(users, items)``.
        target: Position of each target, shape ``(users,)``.

    Returns:
        From 1; ``items + 1`` where the target is not ranked.
    """
    own = scores[np.arange(len(target)), target][:, None]
    rank: NDArray[np.int64] = (scores >= own).sum(axis=1)
    rank[np.isneginf(own[:, 0])] = scores.shape[1] + 1
    return rank


def rank_catalog(
    retriever: Retriever, histories: Interactions, target: NDArray[np.int64], *, seen: Seen, depth: int
) -> Ranking:
    """Rank the catalog for every user.

    Args:
        retriever: A fitted one.
        histories: What each user is known by.
        target: The item that came next, shape ``(users,)``.
        seen: Whether items of the history are ranked.
        depth: Length of the lists that are kept.

    Raises:
        FloatingPointError: A score is not finite.
    """
    chunks = score_chunks(retriever, histories, seen)
    return Ranking.joined([_ranked(scores, target[users], depth) for users, scores in chunks])


def target_ranks(
    retriever: Retriever, histories: Interactions, target: NDArray[np.int64], seen: Seen
) -> NDArray[np.int64]:
    """Only the ranks of :func:`rank_catalog`, at less cost."""
    chunks = score_chunks(retriever, histories, seen)
    return np.concatenate([rank_targets(scores, target[users]) for users, scores in chunks])


def score_chunks(
    retriever: Retriever, histories: Interactions, seen: Seen
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Some users at a time, and their scores; minus infinity for what is not ranked.

    Raises:
        FloatingPointError: A score is not finite.
    """
    step = max(1, CELLS // histories.items)
    for start in range(0, len(histories), step):
        users = np.arange(start, min(start + step, len(histories)))
        some = histories.take(users)
        scores = retriever.score(some)
        # One pass: a sum is finite only when all of it is.
        if not np.isfinite(scores.sum(dtype=np.float64)):
            raise FloatingPointError(f"{retriever.name}: a score is not finite; lower its learning rate")
        if seen is Seen.FILTERED:
            scores[some.user, some.item] = -np.inf
        yield users, scores


def metrics_at(
    rank: NDArray[np.int64], places: tuple[int, ...] = (5, 10, 20)
) -> dict[str, NDArray[np.float64]]:
    """NDCG, recall (with one target the hit rate) and MRR of each user.

    Args:
        rank: Pessimistic ranks, shape ``(users,)``.
        places: Lengths of the list.

    Returns:
        By ``ndcg_at_k``, ``recall_at_k`` and ``mrr_at_k``, each of shape ``(users,)``.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for k in places:
        hit = rank <= k
        found[f"ndcg_at_{k}"] = np.where(hit, 1.0 / np.log2(rank + 1.0), 0.0)
        found[f"recall_at_{k}"] = hit.astype(np.float64)
        found[f"mrr_at_{k}"] = np.where(hit, 1.0 / rank, 0.0)
    return found


def rank_fusion(
    fusion: Fusion, lists: Mapping[str, CandidateLists], target: NDArray[np.int64], *, depth: int
) -> Ranking:
    """Rank what a fusion makes of the candidates; seen items are as they were in the lists.

    Args:
        fusion: The weights.
        lists: Candidates of every system that it asks, of the same users.
        target: The item that came next, shape ``(users,)``.
        depth: Length of the lists that are kept.
    """
    step = max(1, CELLS // next(iter(lists.values())).items)
    parts = []
    for start in range(0, len(target), step):
        users = slice(start, start + step)
        scores = fusion.score({system: lists[system].take(users) for system in fusion.systems})
        parts.append(_ranked(scores, target[users], depth))
    return Ranking.joined(parts)


def _ranked(scores: NDArray[np.float32], target: NDArray[np.int64], depth: int) -> Ranking:
    return Ranking(rank_targets(scores, target), CandidateLists.of(scores, depth))
