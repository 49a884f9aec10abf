"""The graph filter, by hand."""

import pytest

from pipelines.retrieval.collaborative.graph import Graph, GraphConfig
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance

PLAIN = GraphConfig(
    embedding_size=4,
    pair_decay=0.5,
    pair_window=1,
    reverse=0.0,
    smoothing=1.0,
    normalisation=0.5,
    damping=0.5,
    direct=0.0,
    history_decay=0.5,
    history_window=2,
)


class TestGraph(RetrieverConformance):
    make = Graph


def score(history: list[int], **chosen: float) -> list[float]:
    graph = Graph(GraphConfig(**(vars(PLAIN) | chosen)))
    graph.fit(Interactions.of([[0, 1], [2, 1], [2, 3]], 4), seed=0)
    scores: list[float] = graph.score(Interactions.of([history], 4))[0].tolist()
    return scores


def test_score__with_the_whole_spectrum_is_the_normalised_graph() -> None:
    # 2 leads to 1 and 3: it leaves with 2 + 1, they are entered with 2 + 1 and 1 + 1.
    assert score([2]) == pytest.approx([0, 1 / 3, 0, 1 / 6**0.5], abs=1e-6)
    assert score([0, 2]) == pytest.approx([0, 1 / 3 + 0.5 / 6**0.5, 0, 1 / 6**0.5], abs=1e-6)


def test_score__with_less_of_it_joins_items_that_no_user_joined() -> None:
    assert score([0])[3] == pytest.approx(0, abs=1e-6)
    assert score([0], embedding_size=1)[3] > 0.1  # 0 leads to 1, as 2 does, and 2 also leads to 3


def test_score__direct_edges_are_added() -> None:
    assert score([2], direct=0.5) == pytest.approx([0, 1.5 / 3, 0, 1.5 / 6**0.5], abs=1e-6)
