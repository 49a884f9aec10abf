"""The shop's own list in a shopper's order."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.recommender import Recommender
from tests.serving.plane_under_test import Plane, Starter
from tests.serving.tiny_bundle import IDS, NOW, tea_drinker

RANK = "/v1/rank"


def listed(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_rank__orders_by_what_is_known_of_the_shopper(plane: Plane) -> None:
    status, answer = plane.ask("POST", RANK, {"user_id": "1", "items": ["20", "10", "50"]})
    assert (status, answer["source"], listed(answer)) == (200, "blend", ["50", "10", "20"])
    assert answer["items"][0]["reason"] == "you bought it 2 times, last 7 days ago"
    _, answer = plane.ask("POST", RANK, {"user_id": "nobody", "items": ["20", "10", "50"]})
    assert (answer["source"], listed(answer)) == ("popularity", ["10", "20", "50"])


def test_rank__puts_what_it_does_not_know_last_and_each_once(plane: Plane) -> None:
    _, answer = plane.ask("POST", RANK, {"user_id": "1", "items": ["新茶", "20", "x", "20", "50"]})
    assert listed(answer) == ["50", "20", "新茶", "x"]
    assert answer["items"][-1] == {
        "item_id": "x",
        "title": "x",
        "score": 0.0,
        "reason": "not known to the model",
    }


def test_rank__leaves_out_what_is_withheld_known_or_not(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.put("50", stock=0)
    plane.put("x", hidden=True)
    _, answer = plane.ask("POST", RANK, {"user_id": "1", "items": ["x", "50", "20"]})
    assert listed(answer) == ["20"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"user_id": "1", "items": []}, "$.items"),
        ({"user_id": "1", "items": ["x"] * 1001}, "$.items"),
        ({"items": ["10"]}, "user_id"),
        ({"user_id": "1", "items": [10]}, "$.items[0]"),
    ],
)
def test_rank__refuses_what_is_no_list(plane: Plane, body: dict[str, Any], said: str) -> None:
    status, answer = plane.ask("POST", RANK, body)
    assert status == 400
    assert said in answer["message"]


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*IDS, "x", "y"]), min_size=1), st.sets(st.sampled_from([*IDS, "x"])))
def test_rank__is_an_order_of_what_may_be_shown(
    recommender: Recommender, items: list[str], withheld: set[str]
) -> None:
    for history in (tea_drinker(), tea_drinker().empty("nobody")):
        found = [place.item_id for place in recommender.rank(history, NOW, items, frozenset(withheld)).items]
        assert sorted(found) == sorted({*items} - withheld)
        known = [item for item in found if item in IDS]
        assert found[: len(known)] == known
