"""What happens when more lists are asked for than can be made: a few wait, the rest are told so at once."""

import asyncio
import http.client
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.domain import RankedList
from pipelines.releases.rehearsal import set_clock
from serving.app import App
from serving.environment import Environment
from serving.recommender import Recommender
from serving.turns import ShedError, Turns
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import Plane, Starter, purchase
from tests.serving.tiny_bundle import NOW, write_tiny_bundle

MOST = 4
ASK = "/v1/recommendations"
BODY = json.dumps({"user_id": "1"})
SLOW = """
import time
from serving.recommender import Recommender
make = Recommender.recommend
Recommender.recommend = lambda *given: time.sleep(0.02) or make(*given)
import sys, serving.__main__
sys.exit(serving.__main__.main())
"""


def test_turns__are_taken_in_order_and_one_at_a_time_and_the_rest_is_refused() -> None:
    turns, worked, refused = Turns(3, 60), [], []

    async def ask(number: int) -> None:
        try:
            async with turns:
                worked.append(("from", number))
                await asyncio.sleep(0)
                worked.append(("to", number))
        except ShedError as error:
            refused.append((number, error.status, error.retry_after))

    async def flood() -> None:
        await asyncio.gather(*map(ask, range(5)))
        await ask(5)

    asyncio.run(flood())
    assert worked == [(step, number) for number in (0, 1, 2, 5) for step in ("from", "to")]
    assert refused == [(3, 429, 1.0), (4, 429, 1.0)]


@pytest.mark.parametrize(("one_takes", "may_wait"), [(0.001, 40), (0.005, 20), (0.02, 8), (0.5, 8)])
def test_turns__fewer_may_wait_where_each_takes_long(one_takes: float, may_wait: int) -> None:
    now, let_in = 0.0, 0
    turns = Turns(40, longest_wait=0.1, clock=lambda: now)

    async def take() -> None:
        nonlocal now
        async with turns:
            now += one_takes

    async def hold(told: asyncio.Event) -> None:
        nonlocal let_in
        async with turns:
            let_in += 1
            await told.wait()

    async def all_of_it() -> None:
        nonlocal let_in
        for _ in range(100):
            await take()
        told = asyncio.Event()
        burst = [asyncio.create_task(hold(told)) for _ in range(40)]
        await asyncio.sleep(0.01)
        assert not any(one.done() for one in burst), "a burst was refused"
        with pytest.raises(ShedError):
            turns.refuse_beyond()
        for one in burst[1:]:
            one.cancel()
        await asyncio.wait(burst[1:])
        let_in, asking = 0, [burst[0], *(asyncio.create_task(hold(told)) for _ in range(60))]
        await asyncio.sleep(0.01)
        told.set()
        await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(all_of_it())
    assert may_wait - 1 <= let_in <= may_wait + 1, "beside the one who holds the turn"


def test_turns__of_whoever_fails_or_goes_away_are_free_again() -> None:
    turns = Turns(2, 60)

    async def fail() -> None:
        async with turns:
            raise LookupError

    async def hold(told: asyncio.Event) -> None:
        async with turns:
            await told.wait()

    async def all_of_it() -> None:
        with pytest.raises(LookupError):
            await fail()
        told = asyncio.Event()
        first, second = asyncio.create_task(hold(told)), asyncio.create_task(hold(told))
        await asyncio.sleep(0.01)
        with pytest.raises(ShedError):
            turns.refuse_beyond()
        second.cancel()
        await asyncio.wait({second})
        turns.refuse_beyond()
        told.set()
        await first
        await hold(told)

    asyncio.run(all_of_it())


@asynccontextmanager
async def running(app: App) -> AsyncIterator[None]:
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    yield
    await told.put({"type": "lifespan.shutdown"})
    await life


async def answer(app: App, path: str = ASK) -> dict[str, Any]:
    """Status, headers and body; ``read`` tells whether the body of the request was looked at."""
    seen: dict[str, Any] = {"read": False}
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}

    async def receive() -> dict[str, Any]:
        seen["read"] = True
        return {"type": "http.request", "body": BODY.encode()}

    async def send(message: Any) -> None:
        seen.update(message)

    await app(scope, receive, send)
    return seen


def test_app__in_a_flood_lets_nobody_wait_for_more_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    set_clock(tmp_path, NOW)
    made = 0

    def count(self: Recommender, *given: Any) -> RankedList:
        nonlocal made
        made += 1
        return self._model.popular(1)

    monkeypatch.setattr(Recommender, "recommend", count)
    environment = Environment(
        state_file=tmp_path / "state" / "shopper.db",
        clock_file=tmp_path / "clock.json",
        bundle=tmp_path / "bundle",
        served_features_share=0,
        most_waiting=MOST,
    )
    waited: list[int] = []

    async def ask(app: App) -> dict[str, Any]:
        before = made
        seen = await answer(app)
        if seen["status"] == 200:
            waited.append(made - before)
        return seen

    async def flood() -> list[dict[str, Any]]:
        app, asking = App(environment), []
        async with running(app):
            # More than is made keeps coming, so that there is always one too many.
            for _ in range(50):
                asking += [asyncio.create_task(ask(app)) for _ in range(3)]
                await asyncio.sleep(0)
            seen = [*await asyncio.gather(*asking), await answer(app)]
        return seen

    seen = asyncio.run(flood())
    refused = [one for one in seen if one["status"] == 429]
    assert {one["status"] for one in seen} == {200, 429}
    assert len(waited) >= MOST
    assert max(waited) <= MOST
    assert all((b"retry-after", b"1") in one["headers"] for one in refused)
    assert json.loads(refused[-1]["body"])["error"] == "overloaded"
    assert any(not one["read"] for one in refused)
    assert seen[-1]["status"] == 200
    assert made == len(seen) - len(refused)


@on_each_store
def test_plane__in_a_flood_sheds_lists_only_and_answers_everything_afterwards(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPLOOP_MOST_WAITING", str(MOST))
    plane = start([sys.executable, "-c", SLOW])
    plane.wait()
    stop, seen = threading.Event(), list[tuple[int, str | None]]()
    clients = [threading.Thread(target=_keep_asking, args=(plane, stop, seen)) for _ in range(4 * MOST)]
    for client in clients:
        client.start()
    others = [plane.ask("GET", path)[0] for path in ("/healthz", "/readyz", "/metrics") for _ in range(3)]
    posted = [plane.post(purchase(f"in-the-flood-{number}"))[0] for number in range(3)]
    stop.set()
    for client in clients:
        client.join()
    assert set(others + posted) == {200}
    assert set(seen) == {(200, None), (429, "1")}
    shed = sum(status == 429 for status, _ in seen)
    assert f'shoploop_shed_total{{route="{ASK}"}} {shed}.0' in plane.ask("GET", "/metrics")[1]
    assert [plane.ask("POST", ASK, BODY)[0] for _ in range(2 * MOST)] == [200] * 2 * MOST


def _keep_asking(plane: Plane, stop: threading.Event, seen: list[tuple[int, str | None]]) -> None:
    """On one connection: a request that was refused unread must not spoil the next one."""
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=20)
    while not stop.is_set():
        connection.request("POST", ASK, BODY)
        answer = connection.getresponse()
        answer.read()
        seen.append((answer.status, answer.headers["retry-after"]))
    connection.close()
