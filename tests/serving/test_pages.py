"""The OpenAPI document and the docs page."""

import http.client
import re
from typing import Any

import msgspec
import pytest

from serving import pages
from serving.decoding import decode_events
from serving.routes import ROUTES
from tests.serving.plane_under_test import ADMIN_TOKEN, Plane


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if "$ref" in node else set()
        return found.union(*(references(value) for value in node.values())) if node else found
    return set().union(*(references(value) for value in node)) if isinstance(node, list) and node else set()


def test_openapi__every_reference_resolves() -> None:
    document = msgspec.json.decode(pages.PAGES["/openapi.json"].body)
    assert document["openapi"].startswith("3.1")
    names = {reference.rsplit("/", 1)[1] for reference in references(document)}
    assert names <= set(document["components"]["schemas"])


def test_openapi__requests_refuse_unknown_fields() -> None:
    schemas = pages.openapi()["components"]["schemas"]
    for name in ("RecommendationsRequest", "SimilarItemsRequest", "PostedEvent"):
        assert schemas[name]["additionalProperties"] is False


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.answer], ids=lambda route: route.handler
)
def test_openapi__examples_fit_their_own_types(route: Any) -> None:
    sent, answered = route.example
    if sent is not None:
        msgspec.json.decode(msgspec.json.encode(sent), type=route.request)
    msgspec.json.decode(msgspec.json.encode(answered), type=route.answer)


def test_openapi__event_example_is_accepted() -> None:
    (route,) = (route for route in ROUTES if route.handler == "events")
    assert len(decode_events(msgspec.json.encode(route.example[0]))) == 1


def test_docs__name_every_route_and_load_nothing_from_elsewhere(plane: Plane) -> None:
    status, page = plane.ask("GET", "/docs")
    assert status == 200
    assert all(route.path in page for route in ROUTES)
    assert not re.search(r"(src|href)=[\"'](https?:)?//", page)
    assert "<script" not in page


def test_docs__examples_are_answered(plane: Plane) -> None:
    for route in ROUTES:
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"} if route.needs else {}
        path = route.path.replace("{item_id}", "no-item-of-the-tests")
        status, _ = plane.ask(route.method, path, route.example[0], headers)
        assert status == 200, route.path


def test_openapi__is_served_as_generated(plane: Plane) -> None:
    assert plane.ask("GET", "/openapi.json") == (
        200,
        msgspec.json.decode(msgspec.json.encode(pages.openapi())),
    )


def bare(plane: Plane, method: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=20)
    connection.request(method, path)
    return connection.getresponse()


ALLOW = dict.fromkeys(pages.PAGES, "GET, HEAD") | {
    route.path: ", ".join(
        {"GET": "GET, HEAD"}.get(other.method, other.method) for other in ROUTES if other.path == route.path
    )
    for route in ROUTES
}


@pytest.mark.parametrize("path", ALLOW)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_paths__refuse_other_methods_and_say_which_they_take(plane: Plane, path: str, method: str) -> None:
    answer = bare(plane, method, path.replace("{item_id}", "some"))

    if method in ALLOW[path].split(", "):
        assert answer.status in (200, 400, 401)  # 400: a POST without a body, 401: without a token
        assert answer.headers["allow"] is None
    else:
        assert answer.status == 405
        assert answer.headers["allow"] == ALLOW[path]


def test_openapi__says_what_the_event_log_takes() -> None:
    document = pages.openapi()
    operation = document["paths"]["/v1/events"]["get"]

    assert [parameter["name"] for parameter in operation["parameters"]] == ["after", "limit"]
    assert operation["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert list(operation["responses"]["200"]["content"]) == ["application/x-ndjson"]
    assert "parameters" not in document["paths"]["/v1/events"]["post"]
