"""`shoploop smoke` passes a good endpoint, and finds what is wrong with a spoilt one."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from pipelines import smoke
from pipelines.cli import app
from pipelines.releases.rehearsal import free_ports
from serving.routes import ROUTES
from tests.serving.plane_under_test import ADMIN_TOKEN, Plane

Spoil = Callable[[httpx.Request, Any], Any]
ALL = [name for name, _ in (*smoke.FIRST, *smoke.WRITING, *smoke.READING)]
IN_FORM = "every route that reads answers its example in the form promised"
IN_ORDER = "lists are in order, and hold no item twice"
BOUGHT = "a purchase changes the next answer, once"
HIDDEN = "a hidden item is in no list until it is shown again"


class Spoilt(httpx.HTTPTransport):
    """Gives answers in JSON on as ``spoil`` makes them; what it gives None for is answered with 200 and nothing."""

    def __init__(self, spoil: Spoil) -> None:
        super().__init__()
        self._spoil = spoil

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        content = answer.read()
        if answer.headers["content-type"] != "application/json":
            return answer
        spoilt = self._spoil(request, json.loads(content))
        if spoilt is None:
            return httpx.Response(200, json={})
        return httpx.Response(answer.status_code, json=spoilt)


def faults(plane: Plane, spoil: Spoil | None = None, key: str = ADMIN_TOKEN) -> dict[str, str]:
    transport = Spoilt(spoil) if spoil else None
    with httpx.Client(
        base_url=f"http://127.0.0.1:{plane.port}", transport=transport, trust_env=False
    ) as http:
        found = smoke.smoke(http, key, writes=bool(key))
    assert [one.check for one in found if key or one.check not in (BOUGHT, HIDDEN)] == [
        one.check for one in found
    ]
    return {one.check: one.fault for one in found}


def test_smoke__passes_a_good_endpoint_and_leaves_it_so(plane: Plane) -> None:
    assert faults(plane) == dict.fromkeys(ALL, "")
    assert faults(plane) == dict.fromkeys(ALL, "")
    assert plane.recommend("nobody", k=1)["items"][0]["title"] == "Milk"


def test_smoke__without_a_key_only_reads(plane: Plane) -> None:
    before = len(plane.ask("GET", "/v1/events", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})[1])
    assert faults(plane, key="") == {name: "" for name in ALL if name not in (BOUGHT, HIDDEN)}
    after = len(plane.ask("GET", "/v1/events", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})[1])
    assert after == before


def test_smoke__asks_for_every_kind_of_list(plane: Plane) -> None:
    shown = [smoke.RecommendedItem("1", "Whole milk", 1.0, "because")]
    with httpx.Client() as http:
        asked = smoke._questions(smoke.Endpoint(http, "", shown=shown))
    assert set(asked) == {route.path for route in ROUTES if route.makes_list}


def twice(_: httpx.Request, answer: Any) -> Any:
    return answer | {"items": answer["items"] * 2} if answer.get("items") else answer


def backwards(_: httpx.Request, answer: Any) -> Any:
    return answer | {"items": answer["items"][::-1]} if answer.get("items") else answer


def without_reason(_: httpx.Request, answer: Any) -> Any:
    for item in answer.get("items", []):
        del item["reason"]
    return answer


def another_release(request: httpx.Request, answer: Any) -> Any:
    return answer | {"release": "r-1"} if request.url.path == "/readyz" else answer


def takes_all(_: httpx.Request, answer: Any) -> Any:
    return None if answer.get("error") == "invalid_request" else answer


def twice_accepted(_: httpx.Request, answer: Any) -> Any:
    return answer | {"accepted": 1, "duplicates": 0} if "accepted" in answer else answer


def lacks_a_route(_: httpx.Request, answer: Any) -> Any:
    answer.get("paths", {}).pop("/v1/rank", None)
    return answer


def open_to_all(_: httpx.Request, answer: Any) -> Any:
    return None if answer.get("error") in ("unauthorized", "closed") else answer


@pytest.mark.parametrize(
    ("spoil", "check", "told"),
    [
        (twice, IN_ORDER, "an item is there twice"),
        (backwards, IN_ORDER, "not in the order of the scores"),
        (without_reason, "it recommends to a stranger", "missing required field `reason`"),
        (another_release, "it is alive and ready, and names its release", "expected one release"),
        (takes_all, "unknown fields, paths and methods are refused", "missing required field `error`"),
        (twice_accepted, BOUGHT, "expected (accepted, duplicates) (0, 1)"),
        (lacks_a_route, "the documents name every route", "lacks ['/v1/rank']"),
        (open_to_all, "the event log and items are closed without a key", "expected 401 or 403"),
    ],
)
def test_smoke__finds_what_is_wrong(plane: Plane, spoil: Spoil, check: str, told: str) -> None:
    assert told in faults(plane, spoil)[check]


def test_smoke__finds_an_answer_that_does_not_follow(plane: Plane) -> None:
    seen: dict[str, Any] = {}

    def first_answers(request: httpx.Request, answer: Any) -> Any:
        is_list = request.url.path == "/v1/recommendations" and answer.get("items")
        return seen.setdefault("answer", answer) if is_list else answer

    found = faults(plane, first_answers)
    assert "the answer after a purchase is the one before it" in found[BOUGHT]
    assert "which is hidden" in found[HIDDEN]


def test_command__ends_with_what_it_found(plane: Plane) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["smoke", *arguments], env={"SHOPLOOP_KEY": ADMIN_TOKEN})
        return done.exit_code, done.stdout, done.stderr

    code, told, _ = run(f"http://127.0.0.1:{plane.port}", "--writes", "--json")
    assert (code, [one["fault"] for one in json.loads(told)["checks"]]) == (0, [""] * len(ALL))
    (nobody,) = free_ports(1)
    code, told, _ = run(f"http://127.0.0.1:{nobody}")
    assert code == 1
    assert told.count("FAILED") == len(smoke.FIRST)
    code, _, told = run("shop.example")
    assert (code, told) == (2, "URL: expected http://HOST:PORT, found 'shop.example'\n")
