"""Sends requests to one address over kept connections and measures the answers.

With a rate it is an open loop: a request is due at its moment, however long earlier ones take, and its time counts from
then. So a server that stops for a second is charged for everybody who would have come in that second, and not for
the one who happened to be there (the omission that Gil Tene calls coordinated).
"""

import asyncio
import selectors
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_CONNECTIONS = 400  # `select` looks after 1,024 files at most
TIMEOUT_SECONDS = 10.0
OK = 200


@dataclass(frozen=True)
class Plan:
    """What is sent.

    Attributes:
        host, port: Where to.
        requests: Whole HTTP requests, sent in turn.
        seconds: How long.
        rate: Requests a second, at even distances; 0 to send the next when an answer came.
        in_flight: Without a rate: how many are under way at any time.
    """

    host: str
    port: int
    requests: Sequence[bytes]
    seconds: float
    rate: float = 0.0
    in_flight: int = 16


@dataclass
class Seen:
    """What came of it.

    Attributes:
        due: Of each good answer, seconds after the start.
        milliseconds: From when it was due until it was there.
        errors: What was no good answer, by kind.
        sources: Good answers by the step of the fallback chain that they name.
        late_milliseconds: How long after it was due each request was sent, when a connection was free.
        seconds: From the first request to the last answer.
        cpu_seconds: That this process spent.
    """

    due: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    late_milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def drive(plan: Plan) -> Seen:
    """Send what is planned and wait for the answers, ``TIMEOUT_SECONDS`` for each."""
    with asyncio.Runner(loop_factory=_exact_loop) as runner:
        return runner.run(_Load(plan).run())


def _exact_loop() -> asyncio.AbstractEventLoop:
    """A loop that wakes to the microsecond: `epoll`, and uvloop's timers, wait for whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class _Load:
    """One run: connections that are free, and requests that wait for one."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.seen = plan, Seen()
        self._free: list[_Connection] = []
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._open: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._sent = self._done = 0
        self._start = self._end = 0.0
        self._all_done = asyncio.Event()

    async def run(self) -> Seen:
        """Send everything, then wait for what is under way."""
        spent = time.process_time()
        first = self.plan.in_flight if not self.plan.rate else min(16, MOST_CONNECTIONS)
        await asyncio.gather(*(self._connect() for _ in range(first)))
        self._start = time.monotonic()
        self._end = self._start + self.plan.seconds
        sweep = asyncio.create_task(self._give_up_late_ones())
        await (self._at_even_distances() if self.plan.rate else self._as_answers_come())
        sweep.cancel()
        for connection in list(self._open):
            connection.transport.abort()
        self.seen.seconds = time.monotonic() - self._start
        self.seen.cpu_seconds = time.process_time() - spent
        return self.seen

    async def _at_even_distances(self) -> None:
        count = int(self.plan.rate * self.plan.seconds)
        for number in range(count):
            due = self._start + number / self.plan.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.ask(due)
        while self._done < self._sent:
            self._all_done.clear()
            await self._all_done.wait()

    async def _as_answers_come(self) -> None:
        for _ in range(self.plan.in_flight):
            self.ask(self._start)
        while self._done < self._sent or time.monotonic() < self._end:
            self._all_done.clear()
            await self._all_done.wait()

    def ask(self, due: float) -> None:
        """Send the next request on a free connection, or as soon as there is one."""
        request = self.plan.requests[self._sent % len(self.plan.requests)]
        self._sent += 1
        if self._free:
            self.seen.late_milliseconds.append(1000 * (time.monotonic() - due))
            self._free.pop().ask(due, request)
            return
        self._waiting.append((due, request))
        self._open_one()

    def _open_one(self) -> None:
        if len(self._open) + len(self._opening) < MOST_CONNECTIONS:
            task = asyncio.create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            connecting = loop.create_connection(lambda: _Connection(self), self.plan.host, self.plan.port)
            await asyncio.wait_for(connecting, TIMEOUT_SECONDS)
        except OSError as error:
            if self._waiting:
                self._waiting.popleft()
                self.failed(type(error).__name__)

    def ready(self, connection: "_Connection") -> None:
        """Give a connection its next request, or keep it."""
        self._open.add(connection)
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def answered(self, connection: "_Connection", status: int, head: bytes, body: bytes) -> None:
        """Note an answer; its connection goes on unless the server ends it."""
        now = time.monotonic()
        if status == OK:
            self.seen.due.append(connection.due - self._start)
            self.seen.milliseconds.append(1000 * (now - connection.due))
            self.seen.sources[_source(body)] += 1
        else:
            self.seen.errors[f"HTTP {status}"] += 1
        connection.due = 0.0
        if b"connection: close" in head:
            connection.transport.close()
        else:
            self.ready(connection)
        self._finish_one()

    def failed(self, kind: str) -> None:
        """Note a request that got no answer."""
        self.seen.errors[kind] += 1
        self._finish_one()

    def lost(self, connection: "_Connection", error: Exception | None) -> None:
        """Forget a connection; what was asked on it has failed, and what waits needs another."""
        self._open.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        if connection.due:
            self.failed(connection.gave_up or (type(error).__name__ if error else "closed without an answer"))
        if self._waiting:
            self._open_one()

    def _finish_one(self) -> None:
        self._done += 1
        if not self.plan.rate and time.monotonic() < self._end:
            # Later, so that a refused connection does not call itself.
            asyncio.get_running_loop().call_soon(self._ask_again)
        elif self._done >= self._sent:
            self._all_done.set()

    def _ask_again(self) -> None:
        if time.monotonic() < self._end:
            self.ask(time.monotonic())

    async def _give_up_late_ones(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            oldest = time.monotonic() - TIMEOUT_SECONDS
            for connection in list(self._open):
                if connection.due and connection.due < oldest:
                    connection.gave_up = f"no answer within {TIMEOUT_SECONDS:g} s"
                    connection.transport.abort()
            while self._waiting and self._waiting[0][0] < oldest:
                self._waiting.popleft()
                self.failed("no free connection")


class _Connection(asyncio.Protocol):
    """One kept connection, with at most one request under way: its ``due``, 0 for none."""

    transport: asyncio.Transport

    def __init__(self, load: _Load) -> None:
        self._load, self.due, self.gave_up = load, 0.0, ""
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._load.ready(self)

    def ask(self, due: float, request: bytes) -> None:
        """Send a request."""
        self.due, self._got = due, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_end = self._got.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head, body = self._got[:head_end].lower(), self._got[head_end + 4 :]
        _, told, rest = head.partition(b"content-length:")
        if not told or not self.due:
            self.gave_up = "an answer that was not asked for" if told else "an answer without its length"
            self.transport.abort()
        elif len(body) >= int(rest.split(b"\r\n", 1)[0]):
            self._load.answered(self, int(head[9:12]), head, body)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost(self, error)


def _source(body: bytes) -> str:
    """What an answer of this endpoint says of the step that made it."""
    _, found, rest = body.partition(b'"source":"')
    return rest[: rest.index(b'"')].decode() if found else ""
