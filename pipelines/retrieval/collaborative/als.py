"""Implicit ALS (Hu, Koren and Volinsky, ICDM 2008) by the ``implicit`` package; histories are folded in when they ask.

Its own threads solve row by row and change no result; those of BLAS would, and would slow it down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from pipelines.retrieval.collaborative.matrices import weigh_histories
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch


@dataclass(frozen=True)
class AlsConfig:
    """The factorisation, and how a history is folded in.

    Attributes:
        embedding_size: Factors of an item and of a history.
        reg: Penalty of a squared factor.
        confidence: Weight of an item that was touched; one that was not has 1.
        epochs: Rounds of solving for the users and then for the items.
        history_decay: Weight that an item of the asking history keeps per step back.
        history_window: Steps back that the history is asked with.
    """

    embedding_size: int = 256
    reg: float = 0.1
    confidence: float = 40.0
    epochs: int = 10
    history_decay: float = 0.5
    history_window: int = 24


class Als:
    """Factors of items; those of a history are solved for when it asks."""

    name: ClassVar[str] = "als"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "embedding_size": (64, 128, 256, 384),
        "reg": (0.01, 0.1, 1.0, 10.0),
        "confidence": (5.0, 15.0, 40.0, 100.0),
        "epochs": (5, 10, 20),
        "history_decay": (0.3, 0.5, 0.7, 0.85, 1.0),
        "history_window": (6, 12, 24, 48),
    }

    def __init__(self, config: AlsConfig = AlsConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Factorise what each row holds; the seed draws where it starts."""
        touched = weigh_histories(train, 1.0, max(len(train.item), 1)).sign().astype(np.float32)
        with threadpool_limits(1, "blas"):
            self._model = AlternatingLeastSquares(
                factors=self.config.embedding_size,
                regularization=self.config.reg,
                alpha=self.config.confidence,
                iterations=self.config.epochs,
                random_state=seed,
            )
            if touched.nnz:
                self._model.fit(touched, show_progress=False)
            else:
                self._model.item_factors = np.zeros((train.items, self.config.embedding_size), np.float32)

    def score(self, histories: Interactions) -> Scores:
        """Products of factors, shape ``(users, items)``; 0 for a history of nothing known."""
        asked = weigh_histories(histories, self.config.history_decay, self.config.history_window)
        with threadpool_limits(1, "blas"):
            shoppers = self._model.recalculate_user(np.arange(len(histories)), asked.astype(np.float32))
            return np.asarray(shoppers @ self._model.item_factors.T, np.float32)
