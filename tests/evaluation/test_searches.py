"""Searches for what was bought, and where it stands."""

import pytest

from pipelines.domain import History, RankedList, Recommendation
from pipelines.evaluation.searches import measure_searches

WORDS = {"a": "tea", "b": "tea", "c": "milk", "wordless": ""}


def listed(*items: str) -> RankedList:
    return RankedList("test", tuple(Recommendation(item, 1.0, "") for item in items))


def test_measure__is_the_reciprocal_place_of_what_is_looked_for() -> None:
    histories = [History.empty(name) for name in ("1", "2", "3")]
    bought = {"1": {"a"}, "2": {"c"}, "3": {"wordless"}}
    asked: list[str] = []

    def second(_: History, query: str, k: int) -> RankedList:
        asked.append(query)
        return listed("b", *(item for item, words in WORDS.items() if words == query and item != "b"))

    found = measure_searches(
        {"second": second, "nothing": lambda *_: listed()}, histories, bought, WORDS, 200, 7
    )
    assert sorted(asked) == ["milk", "tea"]
    assert found["searches"] == 2
    assert found["mrr_at_10"]["second"]["mean"] == pytest.approx(0.5)
    assert found["mrr_at_10"]["nothing"]["mean"] == 0
    assert found["above"]["nothing"]["mean"] == pytest.approx(0.5)


def test_measure__without_words_says_so() -> None:
    nobody = measure_searches({}, [History.empty("3")], {"3": {"wordless"}}, WORDS, 200, 7)
    assert nobody == {"searches": 0}
