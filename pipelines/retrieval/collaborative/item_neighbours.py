"""Item kNN: what is found in the same histories as the latest items.

After Deshpande and Karypis (TOIS 2004), with weights for recency and for the length of a history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipelines.retrieval.collaborative.matrices import scaled, weigh_histories
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch


@dataclass(frozen=True)
class ItemNeighboursConfig:
    """What makes items alike and which of the history's items ask.

    Attributes:
        history_decay: Weight that an item of the history keeps per step back.
        history_window: Steps back that the history is asked with.
        length_damping: Power of a training history's length that its weight is divided by: long ones say less.
        shrinkage: Added to an item's weight before dividing by it: rare items say less.
        normalisation: Power of the asking item's weight that likeness is divided by.
        damping: The same of the answering item; with both one half it is the cosine.
    """

    history_decay: float = 0.5
    history_window: int = 12
    length_damping: float = 0.25
    shrinkage: float = 3.0
    normalisation: float = 0.25
    damping: float = 0.2


class ItemNeighbours:
    """Likeness of items, summed over the history."""

    name: ClassVar[str] = "item_neighbours"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "history_decay": (0.1, 0.3, 0.5, 0.7, 0.85, 1.0),
        "history_window": (1, 3, 6, 12, 24),
        "length_damping": (0.0, 0.25, 0.5, 1.0),
        "shrinkage": (0.0, 1.0, 3.0, 10.0, 30.0),
        "normalisation": (0.0, 0.25, 0.5, 0.75, 1.0),
        "damping": (0.0, 0.1, 0.2, 0.35, 0.5),
    }

    def __init__(self, config: ItemNeighboursConfig = ItemNeighboursConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Count what is found together; nothing is drawn."""
        chosen = self.config
        held = weigh_histories(train, 1.0, max(len(train.item), 1)).sign()
        size = np.maximum(np.asarray(held.sum(axis=1)).ravel(), 1.0)
        held = scaled(held, size ** (-chosen.length_damping / 2), np.ones(train.items))
        together = (held.T @ held).tocsr()
        weight = np.maximum(together.diagonal() + chosen.shrinkage, 1e-12)
        together.setdiag(0.0)
        self._likeness = scaled(together, weight**-chosen.normalisation, weight**-chosen.damping)

    def score(self, histories: Interactions) -> Scores:
        """Likeness to each history, shape ``(users, items)``; 0 for what was never found together."""
        asked = weigh_histories(histories, self.config.history_decay, self.config.history_window)
        return np.asarray((asked @ self._likeness).toarray(), np.float32)
