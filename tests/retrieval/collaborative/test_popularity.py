"""Popularity counts."""

from pipelines.retrieval.collaborative.popularity import Popularity
from pipelines.retrieval.interactions import Interactions
from tests.retrieval.conformance import RetrieverConformance


class TestPopularity(RetrieverConformance):
    make = Popularity
    knows_order = False


def test_score__is_the_count_whatever_the_history() -> None:
    popularity = Popularity()
    popularity.fit(Interactions.of([[0, 1], [1], [1, 3, 3]], 4), seed=0)
    assert popularity.score(Interactions.of([[0], []], 4)).tolist() == [[1, 3, 0, 2]] * 2
