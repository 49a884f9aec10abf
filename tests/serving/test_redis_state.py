"""What only a Redis can do to the shop: it is away, it forgets, it comes back."""

import asyncio
import http.client
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from pipelines.domain import History
from serving.state import LoggedEvent, ShopperState, StateError
from serving.stores import open_state
from tests.redis_under_test import RedisUnderTest
from tests.serving.plane_under_test import Plane, Starter, purchase, starter, stop_all
from tests.serving.tiny_bundle import NOW, tea_drinker

SILENT_SECONDS = 1.2  # a little more than a plane leaves a silent server alone


@pytest.fixture
def server() -> Iterator[RedisUnderTest]:
    """A server that a test may kill."""
    server = RedisUnderTest()
    yield server
    server.remove()


@pytest.fixture
def url(server: RedisUnderTest) -> str:
    return server.new_url()


@pytest.fixture
def start_on(tmp_path: Path, url: str) -> Iterator[Starter]:
    started: list[Plane] = []
    yield starter(tmp_path, started, url)
    stop_all(started)


def append(state: ShopperState, *event_ids: str, **body: Any) -> int:
    said = {"user_id": "1", "item_id": "60", "basket_id": "b"} | body
    return asyncio.run(state.append([LoggedEvent(name, "purchase", NOW, said) for name in event_ids]))


def opened(url: str, tmp_path: Path, may_lose: bool = False) -> ShopperState:
    return open_state(url, tmp_path / "none.db", may_lose)


def test_server__killed_and_started_again_has_all_that_was_acknowledged(
    server: RedisUnderTest, start_on: Starter
) -> None:
    plane = start_on()
    plane.wait()
    assert plane.put("50", stock=0)[0] == 200
    acknowledged: list[str] = []
    refused: list[str] = []
    stop = threading.Event()

    def post(client: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"{client}-{number}"
            number += 1
            status, _ = plane.post(purchase(name, user_id=f"shopper-{client}", basket_id=name))
            (acknowledged if status == 200 else refused).append(name)
            assert status in (200, 503)

    clients = [threading.Thread(target=post, args=(client,)) for client in range(4)]
    _kill_thrice(server, clients, stop)

    with closing(plane.state()) as state:
        log = state.posted(0, 100_000)
        kept = {row.event_id for row in log}
        bought = sum(len(state.history(f"shopper-{client}").items) for client in range(4))
        hidden = state.said().withheld
    assert len(acknowledged) > 20
    assert refused
    assert set(acknowledged) <= kept
    assert bought == len(log), "each event of the log is in a history, and nothing else is"
    assert [row.seq for row in log] == list(range(1, len(log) + 1))
    assert hidden == {"50"}


def test_server__away_means_no_history_and_refused_events_until_it_is_back(
    server: RedisUnderTest, start_on: Starter
) -> None:
    plane = start_on()
    plane.wait()
    plane.put("50", stock=0)
    assert plane.recommend("1")["source"] == "blend"
    server.kill()

    answer = plane.recommend("1")
    assert answer["source"] == "popularity"
    assert "50" not in [item["item_id"] for item in answer["items"]], "what was known of items goes on"
    status, refusal = plane.post(purchase("away", user_id="2"))
    assert (status, refusal["error"]) == (503, "event_log_unavailable")
    assert plane.put("10", stock=0)[0] == 503
    headers = {"authorization": "Bearer of-the-event-log"}
    assert plane.ask("GET", "/v1/events", headers=headers)[0] == 503
    assert "answering without history" in plane.log
    assert plane.wait()["status"] == "ready"

    server.start(*server.options)
    time.sleep(SILENT_SECONDS)
    assert plane.recommend("1")["source"] == "blend"
    assert plane.post(purchase("away", user_id="2"))[1]["accepted"] == 1
    assert plane.recommend("2")["source"] == "blend"


def test_server__away_at_the_start_is_no_reason_not_to_start(
    server: RedisUnderTest, start_on: Starter, tmp_path: Path
) -> None:
    (tmp_path / "plane" / "state").mkdir(parents=True)  # nothing is written to it beforehand
    server.kill()
    plane = start_on()
    plane.wait()
    assert plane.recommend("1")["source"] == "popularity"
    assert "events are refused" in plane.log
    server.start(*server.options)
    time.sleep(SILENT_SECONDS)
    assert plane.post(purchase("first", user_id="1"))[0] == 200
    assert plane.recommend("1")["source"] == "blend"


def test_server__that_is_silent_holds_up_one_answer_and_not_each(
    server: RedisUnderTest, start_on: Starter
) -> None:
    plane = start_on()
    plane.wait()
    server.process.send_signal(19)  # SIGSTOP: it keeps its connections and says nothing
    try:
        sources = {plane.recommend("1")["source"] for _ in range(20)}
    finally:
        server.process.send_signal(18)
    assert sources == {"popularity"}
    assert plane.log.count("did not answer a moment ago") > 15


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("appendonly", "no", "appendonly is no, not yes"),
        ("appendfsync", "everysec", "appendfsync is everysec, not always"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru, not noeviction"),
    ],
)
def test_server__that_may_forget_takes_no_events_unless_a_setting_allows_it(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: str, value: str, said: str
) -> None:
    caplog.set_level(logging.INFO)
    server = redis.Redis.from_url(url)
    with closing(opened(url, tmp_path)) as state:
        state.open()
        assert "shopper state and event log are in Redis" in caplog.text
        assert append(state, "before") == 1
        server.config_set("maxmemory", "1gb")
        server.config_set(setting, value)
        with pytest.raises(StateError, match=f"may lose what it acknowledges: {said}; start it with"):
            append(state, "after")
        state.open()
        assert "events are refused" in caplog.text
        assert [row.event_id for row in state.posted(0, 10)] == ["before"]
    with closing(opened(url, tmp_path, may_lose=True)) as careless:
        careless.open()
        assert append(careless, "after") == 1
    assert "events are taken all the same" in caplog.text


def test_server__that_tells_no_settings_takes_no_events(url: str, tmp_path: Path) -> None:
    server = redis.Redis.from_url(url)
    server.acl_setuser("shop", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-config"])
    with (
        closing(opened(url.replace("redis://", "redis://shop:secret@"), tmp_path)) as state,
        pytest.raises(StateError, match="does not tell its settings") as refusal,
    ):
        append(state, "e")
    assert "secret" not in str(refusal.value)


def test_server__that_is_full_refuses_a_batch_as_a_whole(url: str, tmp_path: Path) -> None:
    server = redis.Redis.from_url(url)
    with closing(opened(url, tmp_path)) as state:
        append(state, "before")
        server.config_set("maxmemory", "1mb")
        with pytest.raises(StateError, match="cannot be written"):
            append(state, *(f"after-{number}" for number in range(1000)), note="x" * 1000)
        server.config_set("maxmemory", "0")
        assert [row.event_id for row in state.posted(0, 10)] == ["before"]
        assert len(state.history("1").items) == 1


def test_replace_histories__that_broke_off_leaves_nothing_behind(url: str, tmp_path: Path) -> None:
    def broken() -> Iterator[History]:
        yield from (tea_drinker(str(number)) for number in range(2000))
        raise OSError("the landing store went away")

    server = redis.Redis.from_url(url)
    with closing(opened(url, tmp_path)) as state:
        state.replace_histories([tea_drinker("1")])
        before = set(server.keys())
        with pytest.raises(OSError, match="went away"):
            state.replace_histories(broken())
        assert set(server.keys()) == before
        assert state.user_ids() == ["1"]


def test_replace_histories__whose_staged_part_is_gone_changes_nothing(url: str, tmp_path: Path) -> None:
    server = redis.Redis.from_url(url)

    def while_another_hand_removes(key: str) -> Iterator[History]:
        yield from (tea_drinker(f"new-{number}") for number in range(600))
        assert server.delete(key)

    with closing(opened(url, tmp_path)) as state:
        state.replace_histories([tea_drinker("1")], redemptions=[("r", "1", "19")])
        for key in ("shoploop:histories:2", "shoploop:redemptions:3"):
            with pytest.raises(StateError, match=r"stay as they were .*not whole"):
                state.replace_histories(while_another_hand_removes(key), redemptions=[("s", "1", "18")])
        assert state.redeemed("1") == {"19"}
        assert state.user_ids() == ["1"]
        assert len(state.history("1").items) == 3


def test_replace_histories__leaves_one_generation(url: str, tmp_path: Path) -> None:
    server = redis.Redis.from_url(url)
    with closing(opened(url, tmp_path)) as state:
        for _ in range(3):
            state.replace_histories(
                [tea_drinker("1")], landed_event_ids=["e"], redemptions=[("r", "1", "18")]
            )
    for name in ("histories", "redemptions"):
        (kept,) = server.keys(f"shoploop:{name}:*")
        assert server.ttl(kept) == -1, "it stays"
    assert not server.keys("shoploop:landed_ids:*")


@pytest.mark.parametrize("wrong", ["postgresql://shop:secret@h/1", "localhost:6379"])
def test_open_state__refuses_a_url_of_no_store(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="SHOPLOOP_STATE_URL: expected redis://") as refusal:
        opened(wrong, tmp_path)
    assert "secret" not in str(refusal.value)


def test_planes__of_two_homes_share_what_was_posted_and_put(url: str, tmp_path: Path) -> None:
    started: list[Plane] = []
    try:
        first, second = (starter(tmp_path / name, started, url) for name in ("one", "two"))
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        here, there = first(), second()
        here.wait()
        there.wait()
        for number in range(10):
            assert here.post(purchase(f"e-{number}", user_id=f"u-{number}"))[0] == 200
            assert there.recommend(f"u-{number}")["source"] == "blend"
            assert there.post(purchase(f"e-{number}", user_id=f"u-{number}"))[1]["duplicates"] == 1
            assert there.put("50", stock=number % 2)[0] == 200
            shown = [item["item_id"] for item in here.recommend("nobody")["items"]]
            assert ("50" in shown) == bool(number % 2)
    except http.client.HTTPException as error:
        raise AssertionError([plane.log for plane in started]) from error
    finally:
        stop_all(started)


def test_server__killed_and_started_again_has_counted_all_that_was_shown(
    server: RedisUnderTest, url: str, start_on: Starter
) -> None:
    plane = start_on()
    plane.wait()
    shown: list[str] = []
    refused: list[str] = []
    stop = threading.Event()

    def ask(client: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            status, answer = plane.ask("POST", "/v1/promotions", {"user_id": f"{client}-{number}"})
            if status == 200:
                shown.extend(one["campaign_id"] for one in answer["promotions"])
            else:
                refused.append(answer["error"])

    clients = [threading.Thread(target=ask, args=(client,)) for client in range(4)]
    _kill_thrice(server, clients, stop)

    counted = redis.Redis.from_url(url).hgetall("shoploop:shown_campaigns")
    assert set(refused) == {"showings_unavailable"}
    assert 20 < shown.count("18") <= int(counted[b"18"])
    assert shown.count("19") <= int(counted[b"19"]) == 5


def test_server__that_may_forget_or_is_full_shows_no_campaign(
    server: RedisUnderTest, url: str, start_on: Starter
) -> None:
    plane = start_on()
    plane.wait()
    client = redis.Redis.from_url(url)
    for setting, value, good in (("appendfsync", "everysec", "always"), ("maxmemory", "1", "0")):
        client.config_set(setting, value)
        status, answer = plane.ask("POST", "/v1/promotions", {"user_id": "1"})
        assert (status, answer["error"]) == (503, "showings_unavailable")
        client.config_set(setting, good)
    assert not client.exists("shoploop:shown_campaigns")
    server.kill()
    assert plane.ask("POST", "/v1/promotions", {"user_id": "1"})[0] == 503
    server.start(*server.options)
    time.sleep(SILENT_SECONDS)
    status, answer = plane.ask("POST", "/v1/promotions", {"user_id": "1"})
    assert (status, len(answer["promotions"])) == (200, 2)


def _kill_thrice(server: RedisUnderTest, clients: list[threading.Thread], stop: threading.Event) -> None:
    """Kill the server three times, and start it again, while clients go on until they are stopped."""
    for client in clients:
        client.start()
    for _ in range(3):
        time.sleep(0.5)
        server.kill()
        time.sleep(0.2)
        server.start(*server.options)
    time.sleep(0.5)
    stop.set()
    for client in clients:
        client.join()
