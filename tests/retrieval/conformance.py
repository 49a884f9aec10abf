"""What every retriever keeps, whatever it learns. A retriever's test inherits it in three lines::

    class TestMarkov(RetrieverConformance):
        make = Markov

``make`` takes a config or nothing; a slow model gives a ``functools.partial`` or a subclass with a small config.
"""

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever, Scores, Watch

ITEMS, WALKED = 20, 16
"""The last four items of the catalog are never touched."""


def ring_walks(users: int = 120, length: int = 8) -> Interactions:
    """Walks around a ring of 16 items: each step goes to the next item, one in ten to any other."""
    draw = np.random.default_rng(7)
    steps = np.where(draw.random((users, length)) < 0.1, draw.integers(0, WALKED, (users, length)), 1)
    starts = draw.integers(0, WALKED, (users, 1))
    return Interactions.of(((starts + steps.cumsum(axis=1)) % WALKED).tolist(), ITEMS)


HISTORIES = Interactions.of([[3, 4, 5], [9], [], [17, 18], [1, 19, 2, 2], list(range(WALKED)) * 4], ITEMS)
BASKETS = Interactions(
    np.array([0, 4, 6]), np.array([1, 2, 3, 3, 5, 6], np.int32), np.array([1.0, 1, 8, 8, 2, 2]), ITEMS
)


class RetrieverConformance:
    """Inherited by the test of each retriever.

    Attributes:
        make: The class, or what makes a retriever from a config or nothing.
        knows_order: False for what gives every history the same list, or looks at no order.
        tolerance: Relative difference that two ways of batching may make.
    """

    make: ClassVar[Callable[..., Retriever]]
    knows_order: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-5

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls) -> Retriever:
        return cls.fit(ring_walks())

    @classmethod
    def fit(cls, train: Interactions, watch: Watch | None = None) -> Retriever:
        retriever = cls.make()
        retriever.fit(train, seed=1, watch=watch)
        return retriever

    def close(self, scores: Scores, others: Scores) -> bool:
        return bool(np.allclose(scores, others, rtol=self.tolerance, atol=self.tolerance))

    def test_config__is_frozen_and_takes_every_choice(self) -> None:
        retriever = self.make()
        for field, values in retriever.choices.items():
            assert len(set(values)) > 1, f"{field}: one value is no choice"
            for value in values:
                config = dataclasses.replace(retriever.config, **{field: value})
                assert getattr(type(retriever)(config).config, field) == value
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(retriever.config, field, values[0])

    def test_config__is_kept_by_a_fit_that_nobody_watches(self, fitted: Retriever) -> None:
        assert fitted.config == self.make().config

    def test_score__is_finite_for_empty_and_unseen_histories(self, fitted: Retriever) -> None:
        scores = fitted.score(HISTORIES)
        assert scores.shape == (len(HISTORIES), ITEMS)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_score__of_nobody_is_nothing(self, fitted: Retriever) -> None:
        assert fitted.score(Interactions.of([], ITEMS)).shape == (0, ITEMS)

    def test_score__of_a_row_does_not_depend_on_the_others(self, fitted: Retriever) -> None:
        together = fitted.score(HISTORIES)
        order = np.array([5, 2, 0, 4, 1, 3])
        assert self.close(fitted.score(HISTORIES.take(order)), together[order])
        alone = [fitted.score(HISTORIES.take(np.array([user]))) for user in range(len(HISTORIES))]
        assert self.close(np.concatenate(alone), together)

    def test_score__asked_twice_answers_the_same(self, fitted: Retriever) -> None:
        first = fitted.score(HISTORIES)
        answer = first.copy()
        first[:] = 0.0  # what is handed out belongs to the caller
        assert np.array_equal(fitted.score(HISTORIES), answer)

    def test_fit__twice_with_one_seed_gives_one_result(self, fitted: Retriever) -> None:
        again = self.fit(ring_walks())
        assert np.array_equal(again.score(HISTORIES), fitted.score(HISTORIES))

    def test_fit__learns_what_comes_next(self, fitted: Retriever) -> None:
        if not self.knows_order:
            pytest.skip("one list for everybody")
        histories = Interactions.of([[start, (start + 1) % WALKED] for start in range(WALKED)], ITEMS)
        scores = fitted.score(histories)
        scores[histories.user, histories.item] = -np.inf  # what was seen is not asked for
        follower = (np.arange(WALKED) + 2) % WALKED
        assert (scores.argmax(axis=1) == follower).mean() >= 0.75

    def test_fit__on_too_little_still_scores(self) -> None:
        for rows in ([], [[]], [[2]], [[2], [2]], [[0, 1]]):
            scores = self.fit(Interactions.of(rows, ITEMS)).score(HISTORIES)
            assert scores.shape == (len(HISTORIES), ITEMS)
            assert np.isfinite(scores).all()

    def test_fit__takes_baskets(self) -> None:
        assert np.isfinite(self.fit(BASKETS).score(BASKETS)).all()

    def test_fit__that_is_watched_and_out_of_time_still_scores(self) -> None:
        watch = Watch(judge=lambda retriever: float(retriever.score(HISTORIES)[0, 6]), is_over=lambda: True)
        retriever = self.fit(ring_walks(), watch)
        assert np.isfinite(retriever.score(HISTORIES)).all()
        assert type(retriever.config) is type(self.make().config)
