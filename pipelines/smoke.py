"""Asks every route of a running endpoint and says what is wrong with its answers: what ``shoploop smoke`` does.

It knows the endpoint by its address alone, so that a process, a Bento and a container pass the very same.
"""

import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from serving.mirror import SHADOW_PATH
from serving.routes import ROUTES, Route
from serving.schemas import (
    ErrorAnswer,
    EventsAnswer,
    HealthAnswer,
    PostedEvent,
    PromotionsAnswer,
    PutItemAnswer,
    RecommendationsAnswer,
    RecommendedItem,
    ReleaseAnswer,
)

T = TypeVar("T")

K = 10
LISTS = "/v1/recommendations"
CLOSED = (401, 403)


class SmokeError(Exception):
    """An answer is not what it should be; the message says which and how."""


@dataclass(frozen=True)
class Finding:
    """One check: what has to hold, and what is wrong with it, empty when it holds."""

    check: str
    fault: str


@dataclass
class Endpoint:
    """Where it is asked.

    Attributes:
        http: Bound to its address.
        key: Sent with each request, none when empty.
        user: A shopper whom nobody else is.
        shown: What it recommends to that shopper; later questions are about these items.
    """

    http: httpx.Client
    key: str
    user: str = field(default_factory=lambda: f"smoke-{uuid.uuid4().hex[:12]}")
    shown: list[RecommendedItem] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, *, with_key: bool = True) -> httpx.Response:
        """One request."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key and with_key else {}
        content = None if body is None else json.dumps(body)
        return self.http.request(method, path, content=content, headers=headers)

    def good(self, kind: type[T], method: str, path: str, body: Any = None) -> T:
        """The answer of a request that has to be answered well."""
        answer = self.ask(method, path, body)
        if answer.status_code != httpx.codes.OK:
            raise SmokeError(
                f"{method} {path}: expected status 200, found {answer.status_code} {answer.text[:200]}"
            )
        return msgspec.json.decode(answer.content, type=kind)

    def items(self, path: str, body: Mapping[str, Any]) -> list[RecommendedItem]:
        """A list."""
        return self.good(RecommendationsAnswer, "POST", path, body).items


Checks = Sequence[tuple[str, Callable[[Endpoint], None]]]


def smoke(http: httpx.Client, key: str = "", *, writes: bool = False) -> list[Finding]:
    """Ask a running endpoint.

    Args:
        http: Bound to its address.
        key: For what is not open there.
        writes: Also post a purchase of a shopper who does not exist, and hide an item for a moment. What was put of
            that item before is lost: not for an endpoint that has shoppers.

    Returns:
        Every check in the order made; where it shows a stranger nothing, no more is asked.
    """
    endpoint = Endpoint(http, key)
    found = [_finding(name, check, endpoint) for name, check in FIRST]
    if not endpoint.shown:
        return found
    checks = [*WRITING, *READING] if writes else READING
    return found + [_finding(name, check, endpoint) for name, check in checks]


def _finding(name: str, check: Callable[[Endpoint], None], endpoint: Endpoint) -> Finding:
    try:
        check(endpoint)
    except (SmokeError, httpx.HTTPError, msgspec.MsgspecError) as error:
        return Finding(name, str(error) or type(error).__name__)
    return Finding(name, "")


def check_health(endpoint: Endpoint) -> None:
    """Both health routes and the release agree."""
    told = [endpoint.good(HealthAnswer, "GET", path).release for path in ("/healthz", "/readyz")]
    told.append(endpoint.good(ReleaseAnswer, "GET", "/v1/release").release)
    _expect(len(set(told)) == 1, f"expected one release from /healthz, /readyz and /v1/release; found {told}")


def check_stranger(endpoint: Endpoint) -> None:
    """A shopper of whom nothing is known is shown something."""
    endpoint.shown = endpoint.items(LISTS, {"user_id": endpoint.user, "k": K})
    _expect(bool(endpoint.shown), f"{LISTS}: expected items for a stranger, found none")


def check_examples(endpoint: Endpoint) -> None:
    """Each reading route answers the example that its documentation shows, in the form that it promises."""
    for route in _reading(endpoint):
        example = msgspec.to_builtins(route.example[0])
        if isinstance(example, dict) and "user_id" in example:
            example["user_id"] = endpoint.user  # what is shown is logged as shown to this shopper
        if route.answer is not None:
            endpoint.good(route.answer, route.method, route.path, example)
            continue
        answer = endpoint.ask(route.method, route.path)
        found = (answer.status_code, answer.headers.get("content-type", "").encode())
        _expect(found == (200, route.kind), f"{route.path}: expected {(200, route.kind)}, found {found}")


def check_lists(endpoint: Endpoint) -> None:
    """No item twice, best first, no more than asked for, and of what was asked about."""
    for path, body in _questions(endpoint).items():
        items = endpoint.items(path, body)
        scores = [item.score for item in items]
        ids = [item.item_id for item in items]
        _expect(len(set(ids)) == len(ids), f"{path}: an item is there twice: {ids}")
        _expect(all(map(math.isfinite, scores)), f"{path}: a score is no number: {scores}")
        _expect(scores == sorted(scores, reverse=True), f"{path}: not in the order of the scores: {scores}")
        _expect(len(ids) <= K, f"{path}: expected at most {K} items, found {len(ids)}")
        _expect(
            all(item.title and item.reason for item in items), f"{path}: an item lacks its title or reason"
        )
        if path == "/v1/rank":
            _expect(set(ids) == set(body["items"]), f"{path}: expected the items asked about, found {ids}")
        elif path == "/v1/search":
            _expect(bool(ids), f"{path}: nothing matches {body['query']!r}, which is in a title")


def check_refusals(endpoint: Endpoint) -> None:
    """A field that is not known is refused by name, and so are strange paths, methods and bodies that are no JSON."""
    for route in _open(endpoint):
        if route.request is None:
            continue
        example = msgspec.to_builtins(route.example[0])
        path = route.path.replace(f"{{{route.parameter}}}", quote(endpoint.shown[0].item_id, safe=""))
        answer = endpoint.ask(route.method, path, {**example, "colour": "red"})
        said = msgspec.json.decode(answer.content, type=ErrorAnswer)
        found = (answer.status_code, said.error, "colour" in said.message)
        expected = (400, "invalid_request", True)
        _expect(found == expected, f"{path} with an unknown field: expected {expected}, found {found}")
    for method, path, expected_status in (("GET", "/v1/guess", 404), ("GET", LISTS, 405)):
        status = endpoint.ask(method, path).status_code
        _expect(status == expected_status, f"{method} {path}: expected {expected_status}, found {status}")


def check_closed(endpoint: Endpoint) -> None:
    """Without a key nobody reads the event log or changes what is shown."""
    for route in ROUTES:
        if route.needs in ("log", "admin"):
            path = route.path.replace(f"{{{route.parameter}}}", "1")
            status = endpoint.ask(route.method, path, with_key=False).status_code
            _expect(status in CLOSED, f"{path} without a key: expected 401 or 403, found {status}")


def check_metrics(endpoint: Endpoint) -> None:
    """A request is counted."""
    before = _counted(endpoint)
    for _ in range(2):  # the latest may be counted only after it was answered
        endpoint.items(LISTS, {"user_id": endpoint.user, "k": K})
    after = _counted(endpoint)
    _expect(after > before, f"/metrics: expected more than {before:g} requests for lists, found {after:g}")


def check_documents(endpoint: Endpoint) -> None:
    """The OpenAPI document names every route, and the page of it is there."""
    paths = endpoint.good(dict[str, Any], "GET", "/openapi.json")["paths"]
    missing = [route.path for route in ROUTES if route.method.lower() not in paths.get(route.path, {})]
    _expect(not missing, f"/openapi.json lacks {missing}")
    status = endpoint.ask("GET", "/docs").status_code
    _expect(status == httpx.codes.OK, f"/docs: expected status 200, found {status}")


def check_event(endpoint: Endpoint) -> None:
    """A purchase changes the shopper's next answer, once."""
    event = PostedEvent(uuid.uuid4().hex, endpoint.user, "purchase", endpoint.shown[-1].item_id)
    body = {name: value for name, value in msgspec.to_builtins(event).items() if value is not None}
    for expected in ((1, 0), (0, 1)):
        answer = endpoint.good(EventsAnswer, "POST", "/v1/events", body)
        found = (answer.accepted, answer.duplicates)
        _expect(found == expected, f"/v1/events: expected (accepted, duplicates) {expected}, found {found}")
    after = endpoint.items(LISTS, {"user_id": endpoint.user, "k": K})
    _expect(after != endpoint.shown, f"{LISTS}: the answer after a purchase is the one before it")


def check_withheld(endpoint: Endpoint) -> None:
    """A hidden item is in no list from the next answer on, and comes back when it is shown again."""
    hidden = endpoint.shown[0].item_id
    path, questions = f"/v1/items/{quote(hidden, safe='')}", _questions(endpoint)
    said = endpoint.good(PutItemAnswer, "PUT", path, {"hidden": True})
    try:
        _expect(not said.is_shown, f"{path}: expected that it is not shown")
        for asked, body in questions.items():
            ids = [item.item_id for item in endpoint.items(asked, body)]
            _expect(hidden not in ids, f"{asked} shows {hidden}, which is hidden")
        offers = endpoint.good(PromotionsAnswer, "POST", "/v1/promotions", {"user_id": endpoint.user})
        promoted = [item for offer in offers.promotions for item in offer.items]
        _expect(hidden not in promoted, f"/v1/promotions shows {hidden}, which is hidden")
    finally:
        endpoint.good(PutItemAnswer, "PUT", path, {})
    ranked = endpoint.items("/v1/rank", questions["/v1/rank"])
    _expect(hidden in [item.item_id for item in ranked], f"{hidden} is shown again, and /v1/rank lacks it")


FIRST: Checks = [
    ("it is alive and ready, and names its release", check_health),
    ("it recommends to a stranger", check_stranger),
]
WRITING: Checks = [
    ("a purchase changes the next answer, once", check_event),
    ("a hidden item is in no list until it is shown again", check_withheld),
]
READING: Checks = [
    ("every route that reads answers its example in the form promised", check_examples),
    ("lists are in order, and hold no item twice", check_lists),
    ("unknown fields, paths and methods are refused", check_refusals),
    ("the event log and items are closed without a key", check_closed),
    ("requests are counted", check_metrics),
    ("the documents name every route", check_documents),
]


def _questions(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """A question for each kind of list, about what the endpoint has shown."""
    user, ids = endpoint.user, [item.item_id for item in endpoint.shown]
    word = max(endpoint.shown[0].title.split(), key=len)
    return {
        # Without the release's rules, so that the order of the scores stands.
        LISTS: {"user_id": user, "k": K, "diversity": {}},
        SHADOW_PATH: {"user_id": user, "k": K, "diversity": {}},
        "/v1/similar-items": {"item_id": ids[-1], "k": K},
        "/v1/complements": {"items": ids[-2:], "user_id": user, "k": K},
        "/v1/new-arrivals": {"user_id": user, "k": K},
        "/v1/rank": {"user_id": user, "items": ids},
        "/v1/search": {"query": word, "user_id": user, "k": K},
    }


def _open(endpoint: Endpoint) -> list[Route]:
    """Routes that may be asked: those that only the shop itself may ask need a key."""
    return [route for route in ROUTES if endpoint.key or route.needs not in ("log", "admin")]


def _reading(endpoint: Endpoint) -> list[Route]:
    return [route for route in _open(endpoint) if route.method == "GET" or route.needs == "read"]


def _counted(endpoint: Endpoint) -> float:
    lines = endpoint.ask("GET", "/metrics").text.splitlines()
    mine = [line for line in lines if line.startswith("shoploop_requests_total{") and LISTS in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in mine)


def _expect(holds: bool, fault: str) -> None:
    if not holds:
        raise SmokeError(fault)
