"""Asks a candidate what this release was asked, after it has answered, and compares: nobody is shown what it says."""

import asyncio
import re
import time
from pathlib import Path

import msgspec

from serving.metrics import Metrics
from serving.watched_word import WatchedWord

SHADOW_PATH = "/v1/shadow/recommendations"
ADDRESS = re.compile(r"(127\.0\.0\.1:\d{1,5})?")
AT_ONCE = 8
"""Questions under way; one more is left out and counted, so that mirroring never makes a shopper wait."""
SECONDS = 2.0
MAX_ANSWER = 1 << 20
PLACES = 10
HEAD = (
    "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n"
    "connection: close\r\n{key}\r\n"
)


class _Place(msgspec.Struct):
    item_id: str


class _Answer(msgspec.Struct):
    items: list[_Place]


class Mirror:
    """One process's questions to a candidate.

    Args:
        file: Holds the address of the candidate's data plane, nothing while there is none.
        metrics: Where outcomes are counted.
        token: To ask with, where the shop asks for keys.
    """

    def __init__(self, file: Path | None, metrics: Metrics, token: str = "") -> None:
        self._address = WatchedWord(file, "", form=ADDRESS)
        self._metrics = metrics
        self._key = f"authorization: Bearer {token}\r\n" if token else ""
        self._under_way: set[asyncio.Task[None]] = set()
        self._answer = msgspec.json.Decoder(_Answer)

    def offer(self, body: bytes, item_ids: tuple[str, ...]) -> None:
        """Ask the same of the candidate, if there is one, without waiting.

        Args:
            body: Of the request.
            item_ids: What was answered.
        """
        address = self._address()
        if not address:
            return
        if len(self._under_way) >= AT_ONCE:
            self._metrics.mirrored.labels("left_out").inc()
            return
        task = asyncio.get_running_loop().create_task(self._compare(address, body, item_ids))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _compare(self, address: str, body: bytes, item_ids: tuple[str, ...]) -> None:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(SECONDS):
                found = self._answer.decode(await _ask(address, body, self._key))
        except (OSError, TimeoutError, ValueError):  # msgspec's errors are ValueErrors
            self._metrics.mirrored.labels("failed").inc()
            return
        self._metrics.mirrored_seconds.observe(time.perf_counter() - began)
        outcome = "shorter" if len(found.items) < len(item_ids) else "compared"
        self._metrics.mirrored.labels(outcome).inc()
        ours, theirs = set(item_ids[:PLACES]), {place.item_id for place in found.items[:PLACES]}
        self._metrics.mirrored_alike.inc(len(ours & theirs) / max(len(ours), 1))


async def _ask(address: str, body: bytes, key: str) -> bytes:
    """The body of a good answer.

    Raises:
        OSError: There is no connection.
        ValueError: The answer is not a good one.
    """
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        question = HEAD.format(path=SHADOW_PATH, address=address, size=len(body), key=key)
        writer.write(question.encode() + body)
        await writer.drain()
        answer = b""
        while part := await reader.read(1 << 16):
            answer += part
            if len(answer) > MAX_ANSWER:
                raise ValueError(f"{address} answers with more than {MAX_ANSWER} bytes")
        head, _, content = answer.partition(b"\r\n\r\n")
    finally:
        writer.close()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"{address} answers {head[:40]!r}")
    return content
