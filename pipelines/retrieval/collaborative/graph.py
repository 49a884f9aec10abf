"""A low-pass filter on the graph of what follows what: items that no user joined are joined through others.

Light graph convolutions (LightGCN, He et al., SIGIR 2020) smooth over the neighbours of neighbours; with the layers
taken to their limit that keeps the leading singular vectors of the degree-normalised graph (GF-CF, Shen et al., CIKM
2021), which need no gradient. Here the graph is directed and its edges fade with the steps between two items; a share
of the graph itself is added, which knows the rare edges that the filter leaves out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipelines.retrieval.collaborative.markov import count_pairs
from pipelines.retrieval.collaborative.matrices import moments_of, scaled, weigh_histories
from pipelines.retrieval.collaborative.spectrum import leading_factors
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch


@dataclass(frozen=True)
class GraphConfig:
    """The graph, how much of it is kept, and how a history asks.

    Attributes:
        embedding_size: Singular vectors that are kept.
        pair_decay: Weight that an edge keeps per step that its items are further apart.
        pair_window: Steps between the items of an edge, at most.
        reverse: Share of an edge's weight that also counts for the opposite direction.
        smoothing: Added to a degree before dividing by it.
        normalisation: Power of the degree of the item an edge leaves; one half for both is the usual convolution.
        damping: The same of the item it enters.
        direct: Weight of the graph itself beside what the filter leaves of it.
        history_decay: Weight that an item of the history keeps per step back.
        history_window: Steps back that the history is asked with.
    """

    embedding_size: int = 512
    pair_decay: float = 0.8
    pair_window: int = 12
    reverse: float = 0.2
    smoothing: float = 5.0
    normalisation: float = 0.35
    damping: float = 0.25
    direct: float = 0.3
    history_decay: float = 0.5
    history_window: int = 12


class Graph:
    """Two positions of each item in the kept spectrum: where it leads from and where it leads to."""

    name: ClassVar[str] = "graph"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "embedding_size": (128, 256, 512, 768),
        "pair_decay": (0.5, 0.65, 0.8, 0.9, 1.0),
        "pair_window": (3, 6, 12, 24),
        "reverse": (0.0, 0.2, 0.5, 1.0),
        "smoothing": (1.0, 5.0, 20.0),
        "normalisation": (0.2, 0.35, 0.5, 0.75),
        "damping": (0.0, 0.15, 0.25, 0.35, 0.5),
        "direct": (0.0, 0.15, 0.3, 0.6, 1.0),
        "history_decay": (0.1, 0.3, 0.5, 0.7, 0.85),
        "history_window": (1, 3, 6, 12, 24),
    }

    def __init__(self, config: GraphConfig = GraphConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Find the leading singular vectors; the seed draws where the search starts."""
        chosen = self.config
        edges = count_pairs(moments_of(train), chosen.pair_decay, chosen.pair_window)
        edges = (edges + chosen.reverse * edges.T).tocsr()
        leaving = np.asarray(edges.sum(axis=1)).ravel() + chosen.smoothing
        entering = np.asarray(edges.sum(axis=0)).ravel() + chosen.smoothing
        graph = scaled(edges, leaving**-chosen.normalisation, entering**-chosen.damping)
        graph = graph.astype(np.float32)
        self._source, self._target = leading_factors(graph, chosen.embedding_size, seed)
        self._edges = (chosen.direct * graph).astype(np.float32)

    def score(self, histories: Interactions) -> Scores:
        """What the filtered graph leads to, shape ``(users, items)``; may be negative."""
        asked = weigh_histories(histories, self.config.history_decay, self.config.history_window)
        asked = asked.astype(np.float32)
        return np.asarray(
            (asked @ self._source) @ self._target.T + (asked @ self._edges).toarray(), np.float32
        )
