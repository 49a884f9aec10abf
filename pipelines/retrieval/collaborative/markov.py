"""Decayed Markov transitions: what follows the latest items, a few steps later or at once.

First-order chains are the non-personalised part of FPMC (Rendle et al., WWW 2010); pairs further apart that count less
are the sequential rules of Ludewig and Jannach (UMUAI 2018).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from pipelines.retrieval.collaborative.matrices import (
    Matrix,
    Moments,
    moments_of,
    popularity_of,
    scaled,
    weigh_histories,
)
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch


@dataclass(frozen=True)
class MarkovConfig:
    """How pairs are counted and how a history asks for them.

    Attributes:
        pair_decay: Weight that a pair keeps per step that its items are further apart.
        pair_window: Steps between the items of a pair, at most.
        history_decay: Weight that an item of the history keeps per step back.
        history_window: Steps back that the history is asked with.
        reverse: Share of a pair's weight that also counts for the opposite direction.
        smoothing: Added to the weight of all that follows an item before dividing by it: rare items say less.
        normalisation: Power of that weight: 1 gives shares of what follows, 0 bare counts.
        damping: Power of the follower's popularity that its weight is divided by.
    """

    pair_decay: float = 0.8
    pair_window: int = 12
    history_decay: float = 0.5
    history_window: int = 12
    reverse: float = 0.2
    smoothing: float = 10.0
    normalisation: float = 0.5
    damping: float = 0.05


class Markov:
    """Weights of followers, summed over the history."""

    name: ClassVar[str] = "markov"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "pair_decay": (0.3, 0.5, 0.65, 0.8, 0.9),
        "pair_window": (1, 3, 6, 12, 24),
        "history_decay": (0.1, 0.3, 0.5, 0.65, 0.8, 0.9),
        "history_window": (1, 3, 6, 12, 24),
        "reverse": (0.0, 0.1, 0.2, 0.4, 0.7, 1.0),
        "smoothing": (0.0, 1.0, 3.0, 10.0, 30.0),
        "normalisation": (0.0, 0.25, 0.5, 0.75, 1.0),
        "damping": (0.0, 0.05, 0.1, 0.2, 0.35, 0.5),
    }

    def __init__(self, config: MarkovConfig = MarkovConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Count pairs; nothing is drawn."""
        pairs = count_pairs(moments_of(train), self.config.pair_decay, self.config.pair_window)
        pairs = (pairs + self.config.reverse * pairs.T).tocsr()
        leaving = np.asarray(pairs.sum(axis=1)).ravel() + self.config.smoothing
        share = np.maximum(leaving, 1e-12) ** -self.config.normalisation
        damped = np.maximum(popularity_of(train), 1.0) ** -self.config.damping
        self._transitions = scaled(pairs, share, damped)

    def score(self, histories: Interactions) -> Scores:
        """Followers of each history, shape ``(users, items)``; 0 for what never followed."""
        asked = weigh_histories(histories, self.config.history_decay, self.config.history_window)
        return np.asarray((asked @ self._transitions).toarray(), np.float32)


def count_pairs(moments: Moments, decay: float, window: int) -> Matrix:
    """Decayed counts of (earlier item, later item), shape ``(items, items)``.

    Args:
        moments: Baskets in order of time.
        decay: Weight kept per step that the items are further apart; next to each other they count 1.
        window: Steps apart, at most.
    """
    items = moments.items.shape[1]
    pairs = sparse.csr_matrix((items, items))
    for steps in range(1, min(window, len(moments.user) - 1) + 1):
        earlier, later = moments.apart(steps)
        pairs = pairs + decay ** (steps - 1) * (moments.items[earlier].T @ moments.items[later])
    return pairs.tocsr()
