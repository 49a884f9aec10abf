"""The neural retrievers learn a rule, are the same twice, and are safe with what they never saw."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.models import RETRIEVERS
from pipelines.retrieval.retriever import Watch
from tests.retrieval.conformance import RetrieverConformance

ITEMS = 12
QUICK = NeuralConfig(
    embedding_size=16,
    length=8,
    dropout=0.0,
    embedding_dropout=0.0,
    temperature=0.1,
    negatives=32,
    batch=64,
    learning_rate=0.02,
    epochs=8,
)


def circle(users: int = 60, length: int = 6) -> Interactions:
    """Everybody walks on by one item; item 11 is never met."""
    random = np.random.default_rng(1)
    starts = random.integers(0, ITEMS - 1, users)
    return Interactions.of(
        [[(start + step) % (ITEMS - 1) for step in range(length)] for start in starts], ITEMS
    )


class TestAttention(RetrieverConformance):
    make = partial(RETRIEVERS["attention"], QUICK)
    tolerance = 1e-4


class TestLigr(RetrieverConformance):
    make = partial(RETRIEVERS["ligr"], QUICK)
    tolerance = 1e-4


class TestGru(RetrieverConformance):
    make = partial(RETRIEVERS["gru"], QUICK)
    tolerance = 1e-4


class TestLstm(RetrieverConformance):
    make = partial(RETRIEVERS["lstm"], QUICK)
    tolerance = 1e-4


class TestConvolution(RetrieverConformance):
    make = partial(RETRIEVERS["convolution"], QUICK)
    tolerance = 1e-4


def test_score__is_safe_with_what_was_never_seen() -> None:
    retriever = RETRIEVERS["attention"](QUICK)
    retriever.fit(circle(), seed=3)
    scores = retriever.score(Interactions.of([[], [11], [2, 11], [2]], ITEMS))
    assert np.isfinite(scores).all()
    assert (scores.argmin(axis=1) == 11).all()
    np.testing.assert_array_equal(scores[0], scores[1])  # nothing is known of either
    np.testing.assert_allclose(scores[2], scores[3], rtol=1e-5)


def test_watch__keeps_the_best_epoch_and_ends_when_patience_is_over() -> None:
    retriever = RETRIEVERS["attention"](replace(QUICK, patience=2, epochs=20))
    told = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    seen = []

    def judge(now: Any) -> float:
        seen.append(now.score(Interactions.of([[1, 2]], ITEMS)))
        return next(told)

    retriever.fit(circle(), seed=3, watch=Watch(judge, lambda: False))
    assert len(seen) == 4
    assert retriever.config.epochs == 2
    np.testing.assert_array_equal(retriever.score(Interactions.of([[1, 2]], ITEMS)), seen[1])
    again = RETRIEVERS["attention"](retriever.config)
    again.fit(circle(), seed=3)  # as long as was found, without a watch
    np.testing.assert_array_equal(again.score(Interactions.of([[1, 2]], ITEMS)), seen[1])


def test_watch__ends_when_its_time_is_over() -> None:
    retriever = RETRIEVERS["attention"](QUICK)
    retriever.fit(circle(), seed=3, watch=Watch(lambda _: 0.0, lambda: True))
    assert retriever.config.epochs == 1
