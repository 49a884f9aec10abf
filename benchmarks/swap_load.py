"""Clients with kept connections: ``python -m benchmarks.swap_load PORT CLIENTS`` prints what they saw.

They ask until standard input is closed.
"""

import asyncio
import json
import sys
import threading
import time
from collections import Counter

BODY = b'{"user_id":"1","k":10}'
REQUEST = (
    b"POST /v1/recommendations HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Seen:
    """What all clients saw."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()
        self.releases: Counter[str] = Counter()


async def client(port: int, stop: threading.Event, seen: Seen) -> None:
    """One client: a new connection only after the server closed the old one or after a failure."""
    streams = None
    while not stop.is_set():
        started = time.monotonic()
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            status, body, closing = await _ask(*streams)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.failures[type(error).__name__] += 1
            streams = None
            continue
        seen.seconds.append(time.monotonic() - started)
        if status != 200:
            seen.failures[f"HTTP {status}"] += 1
        else:
            seen.releases[body[13:23].decode()] += 1
        if closing:
            streams[1].close()
            streams = None


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bytes, bool]:
    writer.write(REQUEST)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length), b"connection: close" in head


def _wait_for_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


async def load(port: int, clients: int) -> dict[str, object]:
    """Ask as fast as answers come; latencies are in milliseconds."""
    seen, stop = Seen(), threading.Event()
    threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    started = time.monotonic()
    await asyncio.gather(*(client(port, stop, seen) for _ in range(clients)))
    seconds = time.monotonic() - started
    ordered = sorted(seen.seconds)
    return {
        "requests": len(ordered) + sum(seen.failures.values()),
        "failures": dict(seen.failures),
        "releases": dict(seen.releases),
        "per_second": round(len(ordered) / seconds, 1),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 3),
        "p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 3),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(int(sys.argv[1]), int(sys.argv[2])))))
