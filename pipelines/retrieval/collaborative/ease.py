"""EASE made sequential: a ridge regression from the decayed past to what comes next, in closed form.

EASE (Steck, WWW 2019) regresses a history on itself and forbids that an item predicts itself. Here the past predicts
the future, so nothing need be forbidden: ``B = (X'X + L)^-1 X'Y`` with the states X, the futures Y and the penalty L.
Unlike counts of pairs it does not credit an item with what its companions explain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipelines.retrieval.collaborative.linear_systems import Ridge
from pipelines.retrieval.collaborative.matrices import (
    Matrix,
    moments_of,
    popularity_of,
    scaled,
    weigh_histories,
)
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch

BLOCK = 512
"""Items whose weights are solved for at once."""


class CatalogTooLargeError(ValueError):
    """A model whose cost grows with the square of the catalog was asked for one too large."""


@dataclass(frozen=True)
class EaseConfig:
    """The regression, and how a history asks it.

    Attributes:
        past_decay: Weight that an item of a state keeps per step back, in training.
        past_window: Steps back that a state holds.
        future_decay: Weight that a target keeps per step forward.
        future_window: Steps forward that count; 1 is the next item alone.
        history_decay: Weight that an item of the asking history keeps per step back.
        reverse: Share of the opposite direction in what is regressed on.
        regularisation: Penalty of a squared weight, in events.
        emphasis: Power of an item's weight in the states by which it counts for more when it asks.
        damping: Power of an item's popularity that its scores are divided by.
        kept: Strongest weights kept of each item; more cost memory.
        most_items: Catalog from which a fit is refused: time and memory grow with its square.
    """

    past_decay: float = 0.3
    past_window: int = 6
    future_decay: float = 0.5
    future_window: int = 6
    history_decay: float = 0.5
    reverse: float = 0.2
    regularisation: float = 40.0
    emphasis: float = 0.5
    damping: float = 0.05
    kept: int = 1000
    most_items: int = 40_000


class Ease:
    """Weights from items to the items that come after them."""

    name: ClassVar[str] = "ease"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "past_decay": (0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
        "past_window": (3, 6, 12),
        "future_decay": (0.3, 0.5, 0.7, 0.85),
        "future_window": (1, 3, 6, 12),
        "history_decay": (0.1, 0.3, 0.5, 0.7, 0.85),
        "reverse": (0.0, 0.1, 0.2, 0.4, 1.0),
        "regularisation": (3.0, 10.0, 40.0, 150.0, 500.0),
        "emphasis": (0.0, 0.25, 0.5, 0.75),
        "damping": (0.0, 0.05, 0.1, 0.2, 0.35),
    }

    def __init__(self, config: EaseConfig = EaseConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Solve the regression; nothing is drawn.

        Raises:
            CatalogTooLargeError: The catalog holds more than ``most_items``.
        """
        self._refuse_large(train.items)
        chosen = self.config
        past, future = moments_of(train).pasts_and_futures(
            (chosen.past_decay, chosen.past_window), (chosen.future_decay, chosen.future_window)
        )
        target = past.T @ future
        target = (target + chosen.reverse * target.T).tocsr()
        ridge = Ridge.of(past, chosen.regularisation)
        emphasis = (ridge.diagonal + chosen.regularisation) ** chosen.emphasis
        damped = np.maximum(popularity_of(train), 1.0) ** -chosen.damping
        self._weights = self._solve(ridge, scaled(target, np.ones(train.items), damped), emphasis)

    def score(self, histories: Interactions) -> Scores:
        """What the regression expects next, shape ``(users, items)``; may be negative."""
        asked = weigh_histories(histories, self.config.history_decay, self.config.past_window)
        return np.asarray((asked.astype(np.float32) @ self._weights).toarray(), np.float32)

    def _solve(self, ridge: Ridge, target: Matrix, emphasis: NDArray[np.float64]) -> Matrix:
        """Rows of the weights, block by block, so that they never lie in memory as a whole."""
        ahead, items = target.T.tocsr().astype(np.float32), target.shape[0]
        blocks = [sparse.csr_matrix((0, items), dtype=np.float32)]
        for start in range(0, items, BLOCK):
            asking = np.arange(start, min(start + BLOCK, items))
            rows = (ahead @ ridge.inverse_columns(asking)).T * emphasis[asking, None]
            blocks.append(strongest(rows.astype(np.float32), self.config.kept))
        return sparse.vstack(blocks, format="csr")

    def _refuse_large(self, items: int) -> None:
        if items > self.config.most_items:
            raise CatalogTooLargeError(
                f"ease: the catalog holds {items:,} items, more than the {self.config.most_items:,} of "
                f"most_items; its time grows with their square and its memory is {8 * self.config.kept} bytes "
                "an item: leave out the rare items, take markov in its place or raise most_items"
            )


def strongest(rows: NDArray[np.float32], count: int) -> Matrix:
    """The entries of largest size in each row, sparse, shape as given."""
    if rows.shape[1] > count:
        border = np.partition(np.abs(rows), -count, axis=1)[:, -count]
        rows = np.where(np.abs(rows) >= border[:, None], rows, np.float32(0.0))
    return sparse.csr_matrix(rows)
