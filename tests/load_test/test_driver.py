"""The load generator against servers that stall, refuse and go away."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from pipelines.load_test import driver
from pipelines.load_test.driver import Plan, Seen, drive
from pipelines.load_test.findings import findings, in_words, quantile
from pipelines.load_test.questions import LoadTestError, address, http_request
from pipelines.releases.rehearsal import free_ports

BODY = b'{"source":"blend","items":[]}'
REQUEST = http_request("/v1/recommendations", "shop", b"{}", {})
RATE = 200

Respond = Callable[[int], Awaitable[bytes]]


def http(status: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(BODY)}\r\n{more}\r\n".encode() + BODY


@contextmanager
def server(respond: Respond) -> Iterator[int]:
    """A server that answers the n-th request, from 0, as told; no answer closes the connection."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        try:
            while True:
                await reader.readexactly(len(REQUEST))
                asked += 1
                answer = await respond(asked - 1)
                writer.write(answer)
                if not answer or b"close" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield listening.sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


async def good(_: int) -> bytes:
    return http(200)


def load(port: int, seconds: float = 0.5, rate: float = RATE, in_flight: int = 0) -> Seen:
    return drive(Plan("127.0.0.1", port, [REQUEST], seconds, rate, in_flight))


@pytest.mark.parametrize("connections", [4, 400])
def test_drive__charges_a_stalled_server_for_all_who_would_have_come(
    monkeypatch: pytest.MonkeyPatch, connections: int
) -> None:
    monkeypatch.setattr(driver, "MOST_CONNECTIONS", connections)

    async def stall_once(number: int) -> bytes:
        if number == RATE // 2:
            time.sleep(1)  # the whole server, not this answer alone
        return http(200)

    with server(stall_once) as port:
        seen = load(port, seconds=2)
    assert len(seen.milliseconds) == 2 * RATE
    # Half a second of requests was due in the first half of the stall, and waited for the other half at least.
    assert sum(taken > 500 for taken in seen.milliseconds) >= RATE // 2 - 1
    assert quantile(seen.milliseconds, 99) > 950
    assert findings(seen)["p99_ms"] > 950


def test_drive__sends_what_is_due_and_counts_each_kind_of_failure() -> None:
    async def respond(number: int) -> bytes:
        return {1: http(429), 2: http(503), 3: b"", 4: http(200, "Connection: close\r\n")}.get(
            number, http(200)
        )

    with server(respond) as port:
        seen = load(port)
    assert dict(seen.errors) == {"HTTP 429": 1, "HTTP 503": 1, "closed without an answer": 1}
    assert len(seen.milliseconds) == len(seen.due) == RATE // 2 - 3
    assert dict(seen.sources) == {"blend": RATE // 2 - 3}
    assert max(seen.due) < 0.5
    said = in_words(findings(seen))
    assert "1 HTTP 429, 1 HTTP 503, 1 closed without an answer" in said
    assert f"{RATE // 2 - 3} blend" in said


def test_drive__of_a_server_that_is_not_there_ends_with_its_errors() -> None:
    (port,) = free_ports(1)
    seen = load(port)
    assert dict(seen.errors) == {"ConnectionRefusedError": RATE // 2}
    assert findings(seen)["p99_ms"] is None
    assert "errors   100 ConnectionRefusedError" in in_words(findings(seen))


def test_drive__gives_up_on_who_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(driver, "MOST_CONNECTIONS", 2)

    async def silence(_: int) -> bytes:
        await asyncio.sleep(3600)
        return b""

    with server(silence) as port:
        seen = load(port, rate=20)
    assert sum(seen.errors.values()) == 10
    assert set(seen.errors) <= {"no answer within 0.5 s", "no free connection"}


def test_drive__as_fast_as_answers_come_keeps_so_many_under_way() -> None:
    under_way, most = 0, 0

    async def respond(_: int) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return http(200)

    with server(respond) as port:
        seen = load(port, rate=0, in_flight=3)
    assert most == 3
    assert len(seen.milliseconds) > 3
    assert not seen.errors


def test_quantile__is_the_value_that_so_many_are_not_above() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [quantile(values, percent) for percent in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert quantile([7.0], 50) == 7


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:3000", "https://shop", "http://", "http://a:b", "http://a/v1"]
)
def test_address__of_what_is_none_is_refused(url: str) -> None:
    with pytest.raises(LoadTestError, match="expected http://HOST:PORT"):
        address(url)


def test_address__has_a_host_and_a_port() -> None:
    assert address("http://127.0.0.1:3000/") == ("127.0.0.1", 3000)
    assert address("http://shop.example") == ("shop.example", 80)
