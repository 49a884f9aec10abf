"""The event log over HTTP."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import TOKEN, Plane, Starter, purchase


def ask(plane: Plane, query: str = "", token: str = TOKEN) -> tuple[int, Any]:
    status, answer = plane.ask("GET", f"/v1/events{query}", headers={"authorization": f"Bearer {token}"})
    lines = answer.splitlines() if isinstance(answer, str) else answer
    return status, [json.loads(line) for line in lines] if status == 200 else lines


@on_each_store
def test_event_log__gives_events_in_the_order_of_arrival_from_any_place(start: Starter) -> None:
    plane = start()
    plane.wait()
    assert ask(plane) == (200, [])
    known = {"basket_id": "b", "occurred_at": "2017-10-30T05:00:00+01:00"}
    plane.post(*(purchase(f"e-{number}", user_id="日本", value=2.5, **known) for number in range(1, 6)))

    status, events = ask(plane)

    assert status == 200
    assert [(event["seq"], event["event_id"]) for event in events] == [
        (number, f"e-{number}") for number in range(1, 6)
    ]
    assert events[0] | {"received_at": ""} == {
        "seq": 1,
        "received_at": "",
        "event_id": "e-1",
        "event_type": "purchase",
        "user_id": "日本",
        "item_id": "60",
        "quantity": 1.0,
        "value": 2.5,
        "basket_id": "b",
        "occurred_at": "2017-10-30T04:00:00+00:00",
    }
    assert ask(plane, "?after=2&limit=2") == (200, events[2:4])
    assert ask(plane, "?after=5") == (200, [])


def test_event_log__shows_a_body_that_is_no_object(start: Starter) -> None:
    plane = start()
    plane.wait()
    with closing(sqlite3.connect(plane.state_file)) as connection:
        rows = [(1, "a", "[1]", "t"), (2, "b", '{"event_id": "b"', "t")]
        connection.executemany("INSERT INTO posted_events VALUES (?, ?, ?, ?)", rows)
        connection.commit()

    status, lines = plane.ask("GET", "/v1/events", headers={"authorization": f"Bearer {TOKEN}"})

    assert status == 200
    assert lines.splitlines() == [
        '{"seq": 1, "received_at": "t", "event_id": "a", "unreadable": "[1]"}',
        '{"seq": 2, "received_at": "t", "event_id": "b"',
    ]


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?limit=0", "?limit=5001", "?since=1"])
def test_event_log__refuses_a_query_it_does_not_know(plane: Plane, query: str) -> None:
    status, answer = ask(plane, query)

    assert (status, answer["error"]) == (400, "invalid_request")
    assert query[1:].split("=")[0] in answer["message"]


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer other"}, {"authorization": TOKEN}])
def test_event_log__is_closed_without_the_token(plane: Plane, header: dict[str, str]) -> None:
    status, answer = plane.ask("GET", "/v1/events", headers=header)

    assert (status, answer["error"]) == (401, "unauthorized")
