"""The log: its two forms, and that no shopper is in it whatever is asked and whatever breaks."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from tests.serving.plane_under_test import ADMIN_TOKEN, TOKEN, Plane, Starter, purchase

MARK = "Zq7x"
SHOPPER, ITEM = f"shopper-{MARK}", f"item-{MARK}"
REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/recommendations", {"user_id": SHOPPER, "exclude": [ITEM]}),
    ("POST", "/v1/recommendations", {"user_id": SHOPPER, "items": [ITEM], "context": "cart"}),
    ("POST", "/v1/recommendations", f'{{"user_id": "{SHOPPER}"'),
    ("POST", "/v1/recommendations", {"user_id": {SHOPPER: ITEM}}),
    ("POST", "/v1/recommendations", {"user_id": "1", SHOPPER: ITEM}),
    ("POST", "/v1/recommendations", {"user_id": "1", "context": SHOPPER}),
    ("POST", "/v1/recommendations", {"user_id": SHOPPER, "k": -1}),
    ("POST", "/v1/recommendations", f'{{"user_id": "{SHOPPER}\xff"}}'.encode("latin-1")),
    ("POST", "/v1/similar-items", {"item_id": ITEM}),
    ("POST", "/v1/complements", {"items": [ITEM], "user_id": SHOPPER}),
    ("POST", "/v1/new-arrivals", {"user_id": SHOPPER}),
    ("POST", "/v1/rank", {"user_id": SHOPPER, "items": [ITEM, "10"]}),
    ("POST", "/v1/search", {"query": f"tea {MARK}", "user_id": SHOPPER}),
    ("POST", "/v1/promotions", {"user_id": SHOPPER}),
    ("POST", "/v1/events", [purchase(f"event-{MARK}", SHOPPER, ITEM, basket_id=f"basket-{MARK}")]),
    ("POST", "/v1/events", [purchase(f"event-{MARK}", SHOPPER, ITEM, occurred_at="2999-01-01T00:00:00Z")]),
    ("POST", "/v1/events", {"event_id": f"event-{MARK}", "user_id": SHOPPER, "event_type": MARK}),
    ("GET", f"/v1/events?after={SHOPPER}", None),
    ("GET", f"/v1/shoppers/{SHOPPER}", None),
    ("PUT", f"/v1/items/{ITEM}", {"stock": 0}),
    ("PUT", f"/v1/items/{ITEM}", {"stock": SHOPPER}),
    ("DELETE", f"/v1/items/{ITEM}", None),
]
FAILING = f"""
import sys
from pipelines.ranking.blended import BlendedRecommender
from serving import plane
def fail(*given, **named):
    raise KeyError("{SHOPPER}", given, named)
recommend = BlendedRecommender.recommend
def recommend_nobody(self, history, *more):
    return fail() if len(history.items) else recommend(self, history, *more)
BlendedRecommender.recommend = recommend_nobody
for name in ("similar_items", "new_arrivals", "search"):
    setattr(plane.DataPlane, name, fail)
from serving.__main__ import main
sys.exit(main())
"""


def ask_everything(plane: Plane) -> list[int]:
    keys = {"GET": TOKEN, "PUT": ADMIN_TOKEN}
    answers = []
    for number, (method, path, body) in enumerate(REQUESTS):
        headers = {
            "x-request-id": f"r-{number}",
            "authorization": f"Bearer {keys.get(method, 'of-nobody-' + MARK)}",
        }
        answers.append(plane.ask(method, path, body, headers)[0])
    assert plane.ask("PUT", "/v1/items/10", {}, {"authorization": f"Bearer {MARK}"})[0] == 401
    return answers


def nothing_of_shoppers(plane: Plane) -> None:
    text = plane.ask("GET", "/metrics")[1]
    assert "shoploop_requests_total" in text
    for told in (text, plane.log):
        assert MARK not in told
        assert TOKEN not in told
        assert ADMIN_TOKEN not in told


@pytest.fixture(params=["text", "json"])
def log_format(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHOPLOOP_LOG_FORMAT", request.param)
    monkeypatch.setenv("SHOPLOOP_LOG_REQUESTS", "true")
    return str(request.param)


def test_log__names_no_shopper_whatever_is_asked(start: Starter, log_format: str) -> None:
    plane = start()
    plane.wait()
    answers = ask_everything(plane)
    assert {200, 400, 404, 405} == {*answers}
    nothing_of_shoppers(plane)
    assert plane.log.count("answered 400") == answers.count(400)


def test_log__names_no_shopper_when_the_state_is_broken(start: Starter, log_format: str) -> None:
    plane = start()
    plane.wait()
    for name in ("shopper.db", "shopper.db-wal", "shopper.db-shm"):
        plane.state_file.with_name(name).write_bytes(b"not a database" * 1000)
    assert 503 in ask_everything(plane)
    nothing_of_shoppers(plane)
    assert "answering without history" in plane.log


def test_log__names_no_shopper_when_the_code_fails(start: Starter, log_format: str) -> None:
    plane = start(command=[sys.executable, "-c", FAILING])
    plane.wait()
    plane.post(purchase(f"first-{MARK}", SHOPPER))
    answers = ask_everything(plane)
    assert answers.count(500) == 3
    nothing_of_shoppers(plane)
    assert plane.log.count("the request failed") == answers.count(500)
    assert plane.log.count("builtins.KeyError") >= answers.count(500)
    assert "recommend failed; answering by popularity" in plane.log


def test_json__is_one_object_a_line_from_start_to_end(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPLOOP_LOG_FORMAT", "json")
    monkeypatch.setenv("SHOPLOOP_LOG_REQUESTS", "true")
    plane = start(command=[sys.executable, "-c", FAILING])
    plane.wait()
    plane.ask("POST", "/v1/rank", {"user_id": "1", "items": ["10"]}, {"x-request-id": "ranked-1"})
    plane.ask("POST", "/v1/similar-items", {"item_id": "10"}, {"x-request-id": "failed-1"})
    plane.process.terminate()
    plane.process.wait()
    lines = [json.loads(line) for line in plane.log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= {*line} for line in lines)
    assert {datetime.fromisoformat(line["time"]).tzname() for line in lines} == {"UTC"}
    fallen, answered = (line for line in lines if line.get("request_id") == "ranked-1")
    assert (fallen["level"], fallen["route"]) == ("ERROR", "/v1/rank")
    assert fallen["traceback"][-1] == "builtins.KeyError"
    assert (answered["level"], answered["route"], answered["status"]) == ("INFO", "/v1/rank", 200)
    assert answered["seconds"] > 0
    failed = [line for line in lines if line.get("request_id") == "failed-1"]
    assert [line.get("status") for line in failed] == [None, 500]


def test_log__has_no_line_for_a_request_unless_asked(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.recommend("1")
    assert "answered" not in plane.log


def test_start__strange_setting_is_named(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPLOOP_LOG_FORMAT", "xml")
    plane = start()
    assert plane.process.wait(20) == 1
    assert "log_format" in plane.log


def test_json__requests_at_once_are_told_apart(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPLOOP_LOG_FORMAT", "json")
    monkeypatch.setenv("SHOPLOOP_LOG_REQUESTS", "true")
    plane = start()
    plane.wait()

    def ask(number: int) -> None:
        event, question = purchase(f"at-once-{number}"), {"user_id": "1"}
        path, body = ("/v1/events", event) if number % 2 else ("/v1/recommendations", question)
        assert plane.ask("POST", path, body, {"x-request-id": f"{path}:{number}".replace("/", "-")})[0] == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(80)))
    plane.process.terminate()  # a line is written after its answer was sent
    plane.process.wait()
    lines = [json.loads(line) for line in plane.log.splitlines()]
    told = [(line["request_id"], line["route"]) for line in lines if line.get("route", "").startswith("/v1/")]
    assert len({*told}) == len(told) == 80
    assert all(name.startswith(route.replace("/", "-")) for name, route in told)
