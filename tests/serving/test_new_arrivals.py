"""What is new, over HTTP."""

from typing import Any

import pytest

from tests.serving.plane_under_test import Plane, Starter, purchase

NEW = "/v1/new-arrivals"


def arrivals(plane: Plane, **asked: Any) -> dict[str, Any]:
    status, answer = plane.ask("POST", NEW, asked)
    assert status == 200, answer
    return answer


def listed(answer: dict[str, Any]) -> list[str]:
    return [item["title"] for item in answer["items"]]


def test_new_arrivals__are_new_to_the_shop_and_the_shopper(plane: Plane) -> None:
    answer = arrivals(plane)
    assert (answer["source"], listed(answer)) == ("popularity", ["Eggs", "Tea", "Coffee"])
    assert answer["items"][0]["reason"] == "new here for 20 days, in 0 baskets of late"
    assert answer["items"][2]["reason"] == "new here for 1 day, in 0 baskets of late"
    answer = arrivals(plane, user_id="1")
    assert (answer["source"], listed(answer)) == ("blend", ["Eggs", "Coffee"])
    assert listed(arrivals(plane, only={"department": ["Drinks"]}, k=1)) == ["Tea"]


def test_new_arrivals__leave_out_what_was_bought_a_moment_ago_and_what_is_withheld(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.post(purchase("n-1", user_id="new", item_id="30"))
    assert listed(arrivals(plane, user_id="new")) == ["Tea", "Coffee"]
    plane.put("50", stock=0)
    assert listed(arrivals(plane, user_id="new")) == ["Coffee"]
    assert listed(arrivals(plane, user_id="new", exclude=["60"])) == []


@pytest.mark.parametrize("body", [{"user_id": ""}, {"k": 0}, {"items": []}])
def test_new_arrivals__refuse_what_they_do_not_know(plane: Plane, body: dict[str, Any]) -> None:
    status, answer = plane.ask("POST", NEW, body)
    assert status == 400
    assert next(iter(body)) in answer["message"]
