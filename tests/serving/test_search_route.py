"""Searching over HTTP: words first, then taste."""

from typing import Any

import pytest

from tests.serving.plane_under_test import Plane, Starter

SEARCH = "/v1/search"


def search(plane: Plane, query: str, **more: Any) -> list[str]:
    status, answer = plane.ask("POST", SEARCH, {"query": query, **more})
    assert (status, answer["source"]) == (200, "search")
    return [item["title"] for item in answer["items"]]


def test_search__finds_by_title_and_by_attribute(plane: Plane) -> None:
    assert search(plane, "tea") == ["Tea"]
    assert search(plane, "TEAS") == ["Tea"]
    assert search(plane, "dairy") == ["Milk"]
    assert search(plane, "cof") == ["Coffee"]
    assert search(plane, "nothing like it") == []


def test_search__orders_what_matches_alike_by_taste(plane: Plane) -> None:
    # Both are Drinks of one text length; of a stranger's taste is popularity, where Tea is ahead of Coffee.
    assert search(plane, "drinks") == ["Tea", "Coffee"]
    plane.post({"event_id": "s-1", "user_id": "coffee", "item_id": "60", "event_type": "purchase"})
    assert search(plane, "drinks", user_id="coffee") == ["Coffee", "Tea"]
    _, answer = plane.ask("POST", SEARCH, {"query": "drinks", "user_id": "coffee"})
    assert [item["reason"] for item in answer["items"]] == [
        "matches, and you bought it before",
        "matches your words",
    ]


def test_search__holds_nothing_withheld_and_chooses(start: Starter) -> None:
    plane = start()
    plane.wait()
    assert search(plane, "drinks", exclude=["50"]) == ["Coffee"]
    assert search(plane, "own", only={"department": ["Bakery", "Chilled"]}) == ["Bread", "Eggs"]
    plane.put("60", stock=0)
    assert search(plane, "drinks") == ["Tea"]
    assert search(plane, "coffee") == []


@pytest.mark.parametrize("query", ["' OR 1=1 --", "日本茶", "\u202e", "a" * 256, "[", "*", "\\"])
def test_search__of_strange_words_is_an_answer(plane: Plane, query: str) -> None:
    assert search(plane, query) == []


@pytest.mark.parametrize(
    "body", [{}, {"query": ""}, {"query": "a" * 257}, {"query": 1}, {"query": "x", "user_id": ""}]
)
def test_search__refuses_what_is_no_query(plane: Plane, body: dict[str, Any]) -> None:
    status, answer = plane.ask("POST", SEARCH, body)
    assert status == 400
    assert "query" in answer["message"] or "user_id" in answer["message"]
