"""The data plane over HTTP, in a process of its own."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

from serving.state import PostedRow
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import Plane, purchase


def logged(plane: Plane, event_id: str) -> PostedRow:
    with closing(plane.state()) as state:
        return next(row for row in state.posted(0, 100_000) if row.event_id == event_id)


@on_each_store
def test_recommendations__ranks_by_popularity_and_decayed_purchases(plane: Plane) -> None:
    answer = plane.recommend("1", k=4)
    assert (answer["release"], answer["variant"], answer["source"]) == ("r-44-tiny", "champion", "blend")
    assert [item["item_id"] for item in answer["items"]] == ["50", "40", "10", "20"]
    assert [item["score"] for item in answer["items"]] == pytest.approx([2.2, 1.347368, 1.0, 0.8], abs=1e-5)
    assert answer["items"][0] == {
        "item_id": "50",
        "title": "Tea",
        "score": answer["items"][0]["score"],
        "reason": "you bought it 2 times, last 7 days ago",
    }


@on_each_store
def test_recommendations__unknown_shopper_gets_popularity_and_is_told(plane: Plane) -> None:
    answer = plane.recommend("nobody", k=3)
    assert answer["source"] == "popularity"
    assert [item["title"] for item in answer["items"]] == ["Milk", "Bread", "Eggs"]


@on_each_store
def test_recommendations__shopper_who_bought_nothing_in_the_catalog_gets_popularity(plane: Plane) -> None:
    assert plane.post(purchase("gone-1", user_id="gone", item_id="no-longer-sold"))[0] == 200
    assert plane.recommend("gone")["source"] == "popularity"


@on_each_store
def test_recommendations__k_above_the_catalog_gives_the_whole_catalog_once(plane: Plane) -> None:
    ids = [item["item_id"] for item in plane.recommend("1", k=100)["items"]]
    assert sorted(ids) == ["10", "20", "30", "40", "50", "60"]


def test_similar_items__says_how_many_baskets(plane: Plane) -> None:
    status, answer = plane.ask("POST", "/v1/similar-items", {"item_id": "10", "k": 2})
    assert (status, answer["source"]) == (200, "cooccurrence")
    assert [(item["title"], item["reason"]) for item in answer["items"]] == [
        ("Bread", "bought with Milk in 9 baskets"),
        ("Eggs", "bought with Milk in 8 baskets"),
    ]


@pytest.mark.parametrize("item_id", ["unknown", "40", "日本茶", "' OR 1=1 --"])
def test_similar_items__unknown_or_lonely_item_gets_popularity_without_itself(
    plane: Plane, item_id: str
) -> None:
    status, answer = plane.ask("POST", "/v1/similar-items", {"item_id": item_id})
    assert (status, answer["source"]) == (200, "popularity")
    assert item_id not in [item["item_id"] for item in answer["items"]]


@on_each_store
def test_events__purchase_is_in_the_very_next_answer(plane: Plane) -> None:
    before = plane.recommend("fresh")
    assert plane.post(purchase("fresh-1", user_id="fresh"))[1]["accepted"] == 1
    after = plane.recommend("fresh", k=1)
    assert (before["source"], after["source"]) == ("popularity", "blend")
    assert after["items"][0]["item_id"] == "60"
    assert after["items"][0]["score"] == pytest.approx(2.1, abs=1e-5)


@on_each_store
def test_events__repeated_event_id_changes_nothing(plane: Plane) -> None:
    event = purchase("same", user_id="repeats")
    first, second = plane.post(event), plane.post(event, event)
    assert (first[1]["accepted"], first[1]["duplicates"]) == (1, 0)
    assert (second[1]["accepted"], second[1]["duplicates"]) == (0, 2)
    assert plane.recommend("repeats", k=1)["items"][0]["reason"] == "you bought it today"


@on_each_store
def test_events__single_object_is_taken_like_a_batch_of_one(plane: Plane) -> None:
    status, answer = plane.ask("POST", "/v1/events", purchase("single", user_id="singular"))
    assert (status, answer["accepted"]) == (200, 1)


@on_each_store
def test_events__view_is_logged_and_is_no_purchase(plane: Plane) -> None:
    view = {"event_id": "view-1", "user_id": "viewer", "item_id": "60", "event_type": "view"}
    assert plane.post(view)[1]["accepted"] == 1
    assert plane.recommend("viewer")["source"] == "popularity"


@on_each_store
def test_events__log_row_is_what_ingestion_reads(plane: Plane) -> None:
    plane.post(purchase("logged", user_id="2", quantity=3, value=7.5))
    row = logged(plane, "logged")
    assert row.received_at.endswith("+00:00")
    found = json.loads(row.body)
    # The clock is looked at once a second, so a clock that stands still is read up to a second late.
    assert found.pop("occurred_at")[:18] == "2017-10-30T04:00:0"
    assert found.pop("basket_id").startswith("posted-2-")
    assert found == {
        "event_id": "logged",
        "event_type": "purchase",
        "item_id": "60",
        "quantity": 3.0,
        "user_id": "2",
        "value": 7.5,
    }


@on_each_store
def test_events__sender_s_clock_a_minute_ahead_is_taken_for_the_shop_s_now(plane: Plane) -> None:
    event = purchase("ahead", user_id="ahead", occurred_at="2017-10-30T04:01:00Z")
    status, answer = plane.post(event)
    assert (status, answer["accepted"]) == (200, 1)
    assert json.loads(logged(plane, "ahead").body)["occurred_at"][:18] == "2017-10-30T04:00:0"


def test_impressions__hold_position_and_propensity(plane: Plane) -> None:
    request_id = plane.recommend("1", k=2)["request_id"]
    deadline, rows = time.monotonic() + 5, []
    while not rows and time.monotonic() < deadline:
        time.sleep(0.05)
        with sqlite3.connect(plane.folder / "state" / "impressions.db") as database:
            query = "SELECT user_id, release, variant, source, items FROM impressions WHERE request_id = ?"
            rows = database.execute(query, (request_id,)).fetchall()
    assert rows[0][:4] == ("1", "r-44-tiny", "champion", "blend")
    assert json.loads(rows[0][4]) == [
        {"item_id": "50", "position": 1, "propensity": 1.0},
        {"item_id": "40", "position": 2, "propensity": 1.0},
    ]


def test_request_id__is_taken_over_when_usable_and_made_otherwise(plane: Plane) -> None:
    body = {"user_id": "1"}
    path = "/v1/recommendations"
    assert plane.ask("POST", path, body, {"X-Request-Id": "order-7"})[1]["request_id"] == "order-7"
    assert len(plane.ask("POST", path, body, {"X-Request-Id": "a b\t"})[1]["request_id"]) == 32
    assert plane.ask("POST", path, "{", {"X-Request-Id": "bad-7"})[1]["request_id"] == "bad-7"


def test_release__names_the_bundle(plane: Plane) -> None:
    status, answer = plane.ask("GET", "/v1/release")
    assert status == 200
    assert (answer["release"], answer["variant"], answer["model"]["week"]) == ("r-44-tiny", "champion", 44)
    assert len(answer["bundle_sha256"]) == 64
    assert "files" not in answer["model"]


def test_metrics__count_answers_by_step_and_name_no_shopper(plane: Plane) -> None:
    plane.recommend("metrics-shopper")
    status, text = plane.ask("GET", "/metrics")
    assert status == 200
    assert 'shoploop_answers_total{source="popularity",variant="champion"}' in text
    assert "shoploop_ready 1.0" in text
    assert "metrics-shopper" not in text


RECOMMEND, SIMILAR, EVENTS = "/v1/recommendations", "/v1/similar-items", "/v1/events"
BAD = [
    (RECOMMEND, b"", 400, "malformed_json", "JSON"),
    (RECOMMEND, b'{"user_id": "1"', 400, "malformed_json", "truncated"),
    (RECOMMEND, b"\xff\xfe\x00", 400, "malformed_json", "JSON"),
    (RECOMMEND, b'{"user_id": "\xff"}', 400, "malformed_json", "JSON"),
    (RECOMMEND, b'{"user_id": "\\ud800"}', 400, "malformed_json", "JSON"),
    (RECOMMEND, b"[" * 100_000, 400, "", ""),
    (RECOMMEND, b"null", 400, "invalid_request", "object"),
    (RECOMMEND, {"items": "10"}, 400, "invalid_request", "$.items"),
    (RECOMMEND, {"items": ["x"] * 501}, 400, "invalid_request", "$.items"),
    (RECOMMEND, {"user_id": 1}, 400, "invalid_request", "$.user_id"),
    (RECOMMEND, {"user_id": ""}, 400, "invalid_request", "$.user_id"),
    (RECOMMEND, {"user_id": "x" * 129}, 400, "invalid_request", "$.user_id"),
    (RECOMMEND, {"user_id": "1", "k": 0}, 400, "invalid_request", "$.k"),
    (RECOMMEND, {"user_id": "1", "k": -3}, 400, "invalid_request", "$.k"),
    (RECOMMEND, {"user_id": "1", "k": 101}, 400, "invalid_request", "<= 100"),
    (RECOMMEND, b'{"user_id": "1", "k": 1e999}', 400, "", ""),
    (RECOMMEND, b'{"user_id": "1", "k": 123456789012345678901234567890}', 400, "invalid_request", "$.k"),
    (RECOMMEND, {"user_id": "1", "k": "10"}, 400, "invalid_request", "$.k"),
    (RECOMMEND, {"user_id": "1", "k": 2.5}, 400, "invalid_request", "$.k"),
    (RECOMMEND, {"user_id": "1", "filter": "x"}, 400, "invalid_request", "`filter`"),
    (SIMILAR, {"user_id": "1"}, 400, "invalid_request", "`user_id`"),
    (SIMILAR, {"item_id": None}, 400, "invalid_request", "$.item_id"),
    (EVENTS, b"  [", 400, "malformed_json", "JSON"),
    (EVENTS, {"event_id": "x"}, 400, "invalid_request", "user_id"),
    (EVENTS, [purchase("x"), purchase("y", quantity=-1)], 400, "invalid_request", "$[1].quantity"),
    (EVENTS, purchase("x", quantity=0), 400, "invalid_request", "$.quantity"),
    (EVENTS, purchase("x", quantity=1e9), 400, "invalid_request", "$.quantity"),
    (
        EVENTS,
        b'{"event_id":"x","user_id":"1","item_id":"1","event_type":"purchase","value":NaN}',
        400,
        "",
        "",
    ),
    (EVENTS, purchase("x") | {"event_type": "theft"}, 400, "invalid_request", "theft"),
    (EVENTS, purchase("x", colour="red"), 400, "invalid_request", "`colour`"),
    (EVENTS, {"event_id": "x", "user_id": "1", "event_type": "cart"}, 400, "invalid_request", "`item_id`"),
    (EVENTS, purchase("x", occurred_at="2017-10-30"), 400, "invalid_request", "occurred_at"),
    (EVENTS, purchase("x", occurred_at="2017-10-29T10:00:00"), 400, "invalid_request", "occurred_at"),
    (EVENTS, purchase("x", occurred_at="2017-10-31T04:00:00Z"), 400, "date_out_of_range", "2017-10-31"),
    (EVENTS, purchase("x", occurred_at="9999-12-31T23:59:59-23:00"), 400, "date_out_of_range", "9999"),
    (EVENTS, purchase("x", occurred_at="0001-01-01T00:00:00+23:00"), 400, "date_out_of_range", "0001"),
    (EVENTS, [purchase(str(n)) for n in range(1001)], 413, "batch_too_large", "1001"),
    ("/v1/nothing", {}, 404, "not_found", "/docs"),
]


@pytest.mark.parametrize(("path", "body", "status", "error", "words"), BAD)
def test_bad_input__is_refused_in_words(
    plane: Plane, path: str, body: object, status: int, error: str, words: str
) -> None:
    found, answer = plane.ask("POST", path, body)
    assert found == status, answer
    assert set(answer) == {"error", "message", "request_id"}
    assert error in answer["error"]
    assert words in answer["message"]


@on_each_store
def test_bad_input__one_bad_event_stores_none_of_its_batch(plane: Plane) -> None:
    assert plane.post(purchase("good", user_id="all-or-none"), purchase("bad", quantity=-1))[0] == 400
    assert plane.recommend("all-or-none")["source"] == "popularity"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_bad_input__wrong_method_is_405(plane: Plane, method: str) -> None:
    assert plane.ask(method, RECOMMEND)[0] == 405


def test_bad_input__empty_batch_is_fine(plane: Plane) -> None:
    status, answer = plane.post()
    assert (status, answer["accepted"]) == (200, 0)
