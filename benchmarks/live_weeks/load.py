"""Shoppers: ``python -m benchmarks.live_weeks.load PORT RATE LOG CLOCK`` asks and buys until it is told to end.

Open loop: a request is sent when it is due, however long earlier ones take, and its time counts from then.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from benchmarks.live_weeks.load_log import ASK, BUY, OK, Sent, end_line
from benchmarks.live_weeks.shoppers import Shoppers
from pipelines.params import load_params
from pipelines.settings import CHECKOUT
from pipelines.weeks import ShopCalendar

TIMEOUT_SECONDS = 10
SEED = 7
SETTLED_SECONDS = 30


@dataclass
class LandedWeek:
    """The week that landed last, a while after it did: until then a data plane may not know of the new moment.

    Attributes:
        clock: The shop's, which records it.
        wall: Seconds.
    """

    clock: Path
    wall: Callable[[], float] = time.monotonic
    _known: int = 0
    _coming: tuple[int, float] = (0, 0.0)

    def now(self) -> int:
        """The week."""
        week = int(json.loads(self.clock.read_text())["week"])
        if not self._known:
            self._known = week
        if week != self._coming[0]:
            self._coming = (week, self.wall())
        if self.wall() - self._coming[1] >= SETTLED_SECONDS:
            self._known = week
        return self._known


@dataclass
class Load:
    """What is sent to one endpoint.

    Attributes:
        landed: Says from which week a purchase is drawn.
    """

    port: int
    shoppers: Shoppers
    log: TextIO
    landed: LandedWeek
    sent: int = 0

    async def visit(self, due: float, number: int) -> None:
        """A shopper asks, and buys something of the list as often as shoppers do."""
        chance = random.Random(SEED + number)
        user = self.shoppers.draw(chance)
        answer = await self.send(due, ASK, "/v1/recommendations", {"user_id": user, "k": 10})
        week = self.landed.now()
        if answer.get("items") and chance.random() < self.shoppers.buying_share(week):
            bought = self.shoppers.purchase(
                week, user, chance.choice(answer["items"])["item_id"], number, chance
            )
            await self.send(time.time(), BUY, "/v1/events", bought)

    async def send(self, due: float, kind: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request and its line in the log; gives the answer, empty when it failed."""
        self.sent += 1
        status, error = 0, ""
        answer: dict[str, Any] = {}
        try:
            status, text = await asyncio.wait_for(
                _post(self.port, path, json.dumps(body).encode()), TIMEOUT_SECONDS
            )
            error = "" if status == OK else text.decode(errors="replace")[:300]
            answer = json.loads(text) if status == OK else {}
        except (
            OSError,
            ValueError,
            IndexError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as failure:
            error = f"{type(failure).__name__}: {failure}"
        about = (str(answer.get("release", "")), str(answer.get("variant", "")))
        self.log.write(Sent(due, kind, status, round(time.time() - due, 6), *about, error).line())
        return answer


async def _post(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/json\r\n"
        )
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        told = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.split(b"content-length:")[1].split(b"\r\n")[0])
        return int(told[9:12]), await reader.readexactly(length)
    finally:
        writer.close()


async def run(load: Load, rate: float) -> None:
    """Send until SIGTERM, or until whoever started this is gone; then wait for the answers that are due."""
    told = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, told.set)
    parent, began, visits = os.getppid(), time.time(), set[asyncio.Task[None]]()
    for number in count():
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.time()))
        if told.is_set() or os.getppid() != parent:
            break
        visit = asyncio.create_task(load.visit(due, number))
        visits.add(visit)
        visit.add_done_callback(visits.discard)
    await asyncio.gather(*visits)
    load.log.write(end_line(load.sent))


def main() -> None:
    """Read the arguments and send."""
    port, rate, log, clock = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    shoppers = Shoppers.read(ShopCalendar.of(load_params(CHECKOUT / "params.yaml").shop))
    with log.open("w", buffering=1) as file:
        asyncio.run(run(Load(port, shoppers, file, LandedWeek(clock)), rate))


if __name__ == "__main__":
    main()
