"""The Python client against a real data plane, and that it has every route."""

import typing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from serving.client import Client, EndpointError
from serving.keys import Key, KeyFile, sha256_of
from serving.routes import ROUTES
from serving.schemas import (
    ComplementsRequest,
    NewArrivalsRequest,
    Only,
    PostedEvent,
    PromotionsRequest,
    PutItem,
    RankRequest,
    RecommendationsRequest,
    SearchRequest,
    SimilarItemsRequest,
)
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import ADMIN_TOKEN, Starter
from tests.serving.tiny_bundle import NOW

WITHOUT = {"shadow_recommendations", "event_log", "exposition", "healthz"}
"""Routes for shoploop itself and for supervisors."""


def test_client__has_every_route_with_its_answer_type() -> None:
    for route in ROUTES:
        if route.handler not in WITHOUT:
            method = getattr(Client, route.handler)
            assert typing.get_type_hints(method)["return"] is route.answer, route.path


def test_client__asks_every_scenario(start: Starter) -> None:
    plane = start()
    plane.wait()
    with Client(f"http://127.0.0.1:{plane.port}", key=ADMIN_TOKEN) as client:
        found = client.recommendations(RecommendationsRequest(user_id="1", k=2))
        assert [item.title for item in found.items] == ["Tea", "Apples"]
        only = client.recommendations(RecommendationsRequest(user_id="1", only=Only(department=("Bakery",))))
        assert [item.item_id for item in only.items] == ["20"]
        assert client.similar_items(SimilarItemsRequest(item_id="50", k=1)).items[0].title == "Coffee"
        assert client.complements(ComplementsRequest(items=("10",), k=1)).items[0].title == "Eggs"
        assert client.search(SearchRequest(query="coff")).items[0].item_id == "60"
        assert client.rank(RankRequest(user_id="1", items=("10", "50"))).items[0].item_id == "50"
        assert client.new_arrivals(NewArrivalsRequest(k=1)).source == "popularity"
        assert client.promotions(PromotionsRequest(user_id="1", k=1)).promotions[0].campaign_id == "18"
        assert client.release().release == "r-44-tiny"
        assert client.readyz().status == "ready"


@on_each_store
def test_client__posts_events_once_and_puts_items(start: Starter) -> None:
    plane = start()
    plane.wait()
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW)
    event = PostedEvent("e-1", "new", "purchase", item_id="60", occurred_at=moment)
    with Client(f"http://127.0.0.1:{plane.port}", key=ADMIN_TOKEN) as client:
        assert client.events([event]).accepted == 1
        assert client.events([event]).duplicates == 1
        assert client.recommendations(RecommendationsRequest(user_id="new")).items[0].item_id == "60"
        assert client.put_item("60", PutItem(stock=0)).is_shown is False
        assert client.put_item("strange/日本 茶", PutItem(hidden=True)).item_id == "strange/日本 茶"
        left = client.recommendations(RecommendationsRequest(user_id="new")).items
        assert "60" not in [item.item_id for item in left]


def test_client__tells_why_it_was_refused(start: Starter) -> None:
    plane = start(open_scopes="none")
    plane.wait()
    with Client(f"http://127.0.0.1:{plane.port}") as client:
        with pytest.raises(EndpointError, match="key") as refused:
            client.recommendations(RecommendationsRequest(user_id="1"))
        assert (refused.value.status, len(refused.value.request_id)) == (401, 32)
    plane.process.kill()
    plane.process.wait()
    with (
        Client(f"http://127.0.0.1:{plane.port}") as client,
        pytest.raises(EndpointError, match="is the endpoint up") as gone,
    ):
        client.release()
    assert (gone.value.status, gone.value.error) == (0, "unreachable")


def test_client__waits_once_where_its_key_asks_too_often(start: Starter) -> None:
    plane = start(open_scopes="none")
    key = Key("web", sha256_of("slow"), ("read",), per_second=1)
    (plane.folder / "keys.json").write_bytes(msgspec.json.encode(KeyFile((key,))))
    plane.wait()
    with Client(f"http://127.0.0.1:{plane.port}", key="slow") as client:
        for _ in range(3):
            assert client.recommendations(RecommendationsRequest(user_id="1")).source == "blend"
    refused = 'shoploop_requests_total{route="/v1/recommendations",status="429"}'
    counts = [line for line in plane.ask("GET", "/metrics")[1].splitlines() if line.startswith(refused)]
    assert float(counts[0].split()[-1]) >= 1
