"""What every retriever offers: fit on interactions, score the whole catalog for histories."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.retrieval.interactions import Interactions

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Watch:
    """What a fit may look at while its choices are being tuned.

    Attributes:
        judge: Quality of a retriever on the validation items; higher is better.
        is_over: Whether the time for it is used up: end with the best so far.
    """

    judge: Callable[["Retriever"], float]
    is_over: Callable[[], bool]


class Retriever(Protocol):
    """Scores every item of the catalog for a history.

    A class takes its typed, frozen ``config`` and nothing else. Fitting twice with one seed gives one result.

    Invariants:
        Scores are finite. A history may be empty and may hold items that the fit never saw: neither raises.
        A row's scores do not depend on the other rows that are asked with it.

    Attributes:
        name: As reports and ``params.yaml`` name it.
        choices: Values that tuning may try, by field of the config; the config's own value is where it begins.
        config: A frozen dataclass.
    """

    name: ClassVar[str]
    choices: ClassVar[Mapping[str, tuple[Any, ...]]]

    @property
    def config(self) -> Any:
        """The choices of this fit; after a watched fit with what was found (the best number of epochs)."""

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:
        """Learn from the rows; the last event of a row is as good a target as any other.

        Args:
            train: What is known.
            seed: Of everything drawn.
            watch: Given while tuning only: what is trained in rounds keeps its best round and writes its number
                into ``config``. Without it exactly what ``config`` says is done.
        """

    def score(self, histories: Interactions) -> Scores:
        """Scores of all items, higher is better, shape ``(users, items)``; no item is left out for being seen."""
