"""Late fusion: one list from those of several retrievers (CombSUM, Fox and Shaw 1994, weighted). NumPy only.

A retriever speaks of its candidates only. Every form of a score is 0 at the end of its list and falls along it, so an
item that a retriever does not list gets what its last candidate gets: nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.candidate_lists import CandidateLists
from pipelines.ranking.components import Component

Values = NDArray[np.float32]

SHARPNESS = 100.0
HALF_PLACE = 10.0


def span(lists: CandidateLists) -> Values:
    """Where each score lies between the last of its list (0) and the first (1)."""
    placed = lists.item >= 0
    first = lists.score[:, :1]
    last = np.where(placed, lists.score, np.inf).min(axis=1, keepdims=True)
    width = np.where(placed[:, :1], first - last, 0.0)
    scaled = (lists.score - last) / np.where(width > 0, width, 1.0)
    return np.where(placed & (width > 0), scaled, 0.0).astype(np.float32)


def log_span(lists: CandidateLists) -> Values:
    """The logarithm of :func:`span`, so that factors count and not differences, from 0 to 1."""
    return np.asarray(np.log1p(SHARPNESS * span(lists)) / np.log1p(SHARPNESS), np.float32)


def place(lists: CandidateLists) -> Values:
    """The reciprocal rank, smoothed (Cormack et al., SIGIR 2009), from 1 at the top to 0 at the end of the list."""
    depth = lists.item.shape[1]
    reciprocal = 1.0 / (np.arange(depth) + HALF_PLACE)
    last = reciprocal[-1]
    scaled = (reciprocal - last) / max(reciprocal[0] - last, 1e-9)
    return np.where((lists.item >= 0) & (span(lists) > 0), scaled, 0.0).astype(np.float32)


FORMS: Mapping[str, Callable[[CandidateLists], Values]] = {"span": span, "log_span": log_span, "place": place}
"""How scores of one list are brought to a scale that all retrievers share, by the ``scale`` of a component."""


@dataclass(frozen=True)
class Fusion:
    """A weighted sum of forms of several retrievers' scores.

    Attributes:
        weights: None below zero; what is 0 is not asked.
    """

    weights: Mapping[Component, float]

    @property
    def systems(self) -> list[str]:
        """The retrievers that are asked."""
        return list(dict.fromkeys(part.system for part, weight in self.weights.items() if weight > 0))

    def score(self, lists: Mapping[str, CandidateLists]) -> Values:
        """Scores of all items, minus infinity for what nobody lists, shape ``(users, items)``.

        Args:
            lists: The candidates of every system that is asked, of the same users.
        """
        some = next(iter(lists.values()))
        total = np.zeros((len(some), some.items), np.float32)
        for system in self.systems:
            spread(total, lists[system], self._values(system, lists[system]))
        return np.where(total > 0, total, -np.inf).astype(np.float32)

    def _values(self, system: str, lists: CandidateLists) -> Values:
        asked = {part.scale: weight for part, weight in self.weights.items() if part.system == system}
        parts = [weight * FORMS[scale](lists) for scale, weight in asked.items() if weight > 0]
        return np.asarray(np.sum(parts, axis=0), np.float32)


def spread(total: NDArray[np.float32], lists: CandidateLists, values: Values) -> None:
    """Add what each list says to a matrix of all items.

    Args:
        total: Is changed, shape ``(users, items)``.
        lists: Whose items; each at most once in a list.
        values: What is added, shape ``(users, depth)``.
    """
    user, spot = np.nonzero(lists.item >= 0)
    total[user, lists.item[user, spot]] += values[user, spot]
