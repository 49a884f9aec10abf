"""What most people touch, the same for everybody: the baseline that every report holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipelines.retrieval.collaborative.matrices import popularity_of
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch


@dataclass(frozen=True)
class PopularityConfig:
    """Nothing to choose."""


class Popularity:
    """Counts the events of each item."""

    name: ClassVar[str] = "popularity"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def __init__(self, config: PopularityConfig = PopularityConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Count; nothing is drawn."""
        self._count = popularity_of(train).astype(np.float32)

    def score(self, histories: Interactions) -> Scores:
        """The counts for every history, shape ``(users, items)``."""
        return np.tile(self._count, (len(histories), 1))
