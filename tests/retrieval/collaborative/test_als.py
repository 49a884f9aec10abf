"""ALS: folding in is the least squares it says it is."""

from functools import partial

import numpy as np
import pytest

from pipelines.retrieval.collaborative.als import Als, AlsConfig
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance, ring_walks

SMALL = AlsConfig(embedding_size=8, reg=0.1, confidence=10.0, epochs=10, history_decay=0.5, history_window=2)


class TestAls(RetrieverConformance):
    make = partial(Als, SMALL)
    knows_order = False
    tolerance = 1e-4


def test_score__folds_a_history_in_by_weighted_least_squares() -> None:
    als = Als(SMALL)
    als.fit(ring_walks(), seed=0)
    items = als._model.item_factors.astype(np.float64)
    confidence = np.ones(len(items))
    confidence[[3, 4]] = 10 * 0.5, 10
    system = (items.T * confidence) @ items + 0.1 * np.eye(8)
    expected = items @ np.linalg.solve(system, items[3] * 5 + items[4] * 10)
    found = als.score(Interactions.of([[9, 3, 4]], len(items)))[0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_score__finds_the_group_a_history_belongs_to() -> None:
    als = Als(SMALL)
    als.fit(Interactions.of([[0, 1, 2]] * 5 + [[3, 4, 5]] * 5, 6), seed=0)
    scores = als.score(Interactions.of([[0, 1], [5]], 6))
    assert scores[0, 2] > scores[0, 3:].max() + 0.5
    assert scores[1, 3:5].min() > scores[1, :3].max() + 0.5
