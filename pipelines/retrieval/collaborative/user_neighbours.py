"""User kNN on states: whoever once stood where this history stands votes for what they touched next.

Every prefix of every user is a neighbour of its own, as in sequence-aware session kNN (V-SKNN of Ludewig and
Jannach, UMUAI 2018; STAN of Garg et al., SIGIR 2019). In place of a number of neighbours a power makes the near ones
count more, so that no neighbour enters or leaves at a sharp border.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipelines.retrieval.collaborative.matrices import (
    Matrix,
    moments_of,
    popularity_of,
    scaled,
    weigh_histories,
)
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch


@dataclass(frozen=True)
class UserNeighboursConfig:
    """What makes states alike and what they vote for.

    Attributes:
        history_decay: Weight that an item of a state keeps per step back.
        history_window: Steps back that a state holds.
        future_decay: Weight of a vote that remains per step forward.
        future_window: Steps forward that a neighbour votes for; 1 is its next item alone.
        rarity: Power of an item's popularity that its weight in a state is divided by.
        sharpness: Power of the cosine of two states; 1 lets far neighbours count by their likeness.
        damping: Power of an item's popularity that votes for it are divided by.
    """

    history_decay: float = 0.5
    history_window: int = 12
    future_decay: float = 0.4
    future_window: int = 6
    rarity: float = 0.1
    sharpness: float = 1.25
    damping: float = 0.05


class UserNeighbours:
    """States of the training rows, and what came next at each."""

    name: ClassVar[str] = "user_neighbours"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "history_decay": (0.1, 0.3, 0.5, 0.7, 0.85, 1.0),
        "history_window": (3, 6, 12, 24),
        "future_decay": (0.2, 0.4, 0.6, 0.8),
        "future_window": (1, 3, 6, 12),
        "rarity": (0.0, 0.1, 0.2, 0.35, 0.5),
        "sharpness": (1.0, 1.25, 1.5, 2.0, 3.0),
        "damping": (0.0, 0.05, 0.1, 0.2, 0.35),
    }

    def __init__(self, config: UserNeighboursConfig = UserNeighboursConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Collect the states; nothing is drawn."""
        chosen, popularity = self.config, np.maximum(popularity_of(train), 1.0)
        self._rarity = popularity**-chosen.rarity
        states, votes = moments_of(train).pasts_and_futures(
            (chosen.history_decay, chosen.history_window), (chosen.future_decay, chosen.future_window)
        )
        self._holders = self._directions(states).T.tocsr()
        self._votes = scaled(votes, np.ones(votes.shape[0]), popularity**-chosen.damping).astype(np.float32)

    def score(self, histories: Interactions) -> Scores:
        """Votes for each item, shape ``(users, items)``; 0 for what no like state led to."""
        asked = weigh_histories(histories, self.config.history_decay, self.config.history_window)
        likeness = (self._directions(asked) @ self._holders).tocsr()
        likeness.data **= self.config.sharpness
        return np.asarray((likeness @ self._votes).toarray(), np.float32)

    def _directions(self, states: Matrix) -> Matrix:
        weighed = scaled(states, np.ones(states.shape[0]), self._rarity)
        length = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
        return scaled(weighed, 1.0 / np.maximum(length, 1e-12), np.ones(states.shape[1])).astype(np.float32)
