"""Half load for half an hour: ``python -m benchmarks.soak --out DIR --minutes 30 --swaps 10 --store sqlite``.

A real endpoint (supervisor, Caddy, data planes) in a temporary home answers lists and takes events, while new
releases of the same bundle go live one after another: each loads the model in a process of its own, and the one before
the former ends. No request may fail, no event may be lost, and the memory of all processes together may not grow.
With ``--store redis`` shoppers and log are in a Redis that is started for it and puts each write on disk; its memory,
which holds the log, is not counted.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.conclusion import conclude
from benchmarks.redis_server import RedisServer
from benchmarks.serving.inputs import InputError, Shop, add_arguments, prepare
from benchmarks.swap import new_release, wait_for_port
from pipelines.load_test.driver import Plan, Seen, drive
from pipelines.load_test.findings import findings
from pipelines.load_test.questions import http_request
from pipelines.releases.bento import free_port
from pipelines.releases.ledger import Ledger
from pipelines.releases.switch import Mover
from pipelines.settings import CHECKOUT, Settings, settings

PLANE = f"{sys.executable} -m serving"
GROWTH_GOAL = 0.05
EVENT_SHARE = 0.05
SAMPLE_SECONDS = 1.0
LINES_AT_ONCE = 5000
MIB = 1 << 20
STORES = ("sqlite", "redis")


@dataclass
class Soaked:
    """What was seen.

    Attributes:
        rate: Lists asked for in a second.
        lists, events: What came of the requests.
        stored: Events in the log at the end.
        swaps: When each new release was asked for, and seconds until it answered.
        memory: Seconds after the start, and MiB of all processes of the endpoint together.
    """

    rate: float
    lists: Seen = field(default_factory=Seen)
    events: Seen = field(default_factory=Seen)
    stored: int = 0
    swaps: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def levels(self) -> tuple[float, float]:
        """Median memory of the first and of the last quarter of the time in which two releases are warm."""
        warm = [mib for at, mib in self.memory if at >= sum(self.swaps[0])] if self.swaps else []
        quarter = max(len(warm) // 4, 1)
        if len(warm) < 2:
            return float("nan"), float("nan")
        return statistics.median(warm[:quarter]), statistics.median(warm[-quarter:])


@contextmanager
def stored_in(store: str, shop: Shop) -> Iterator[Shop]:
    """The same shop with its shoppers in a store; a Redis is started for it, and ended after the block.

    Raises:
        InputError: There is no Redis to start.
    """
    if store == "sqlite":
        yield shop
        return
    try:
        server = RedisServer()
    except FileNotFoundError as error:
        raise InputError(f"--store: {error}") from error
    try:
        moved = replace(shop, state_url=server.new_url())
        with closing(shop.state()) as here, closing(moved.state()) as there:
            there.replace_histories(map(here.history, shop.users))
        yield moved
    finally:
        server.remove()


@contextmanager
def endpoint(shop: Shop, bound: Settings) -> Iterator[psutil.Process]:
    """A supervisor over the shop's home."""
    environment = os.environ | shop.environment | {"PYTHONPATH": str(CHECKOUT)}
    environment |= {"SHOPLOOP_HOME": str(shop.home), "SHOPLOOP_PORT_ENDPOINT": str(bound.port_endpoint)}
    command = [sys.executable, "-m", "pipelines.releases.endpoint", "--start-command", PLANE]
    with (
        (shop.home / "endpoint.log").open("wb") as log,
        subprocess.Popen(command, env=environment, cwd=CHECKOUT, stderr=log) as supervisor,
    ):
        try:
            wait_for_port(bound.port_endpoint)
            yield psutil.Process(supervisor.pid)
        finally:
            supervisor.terminate()


def soak(shop: Shop, seconds: float, swaps: int, rate: float | None) -> Soaked:
    """Everything, at ``rate`` or at half of what the endpoint answers at most."""
    bound = Settings(home=shop.home, port_endpoint=free_port())
    mover, port = Mover(Ledger(bound.ledger), bound), bound.port_endpoint
    with endpoint(shop, bound) as supervisor, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        _move(mover, 0)
        asked = _lists(shop, port)
        fastest = Plan("127.0.0.1", port, asked, 5, in_flight=16)
        most = findings(pool.submit(drive, fastest).result())["per_second"]
        soaked = Soaked(rate or most / 2)
        eventful = _events(shop, port, int(soaked.rate * EVENT_SHARE * seconds) + 1)
        lists = pool.submit(drive, Plan("127.0.0.1", port, asked, seconds, soaked.rate))
        events = pool.submit(drive, Plan("127.0.0.1", port, eventful, seconds, soaked.rate * EVENT_SHARE))
        with _watched(supervisor, soaked):
            _swap(mover, soaked, swaps, seconds)
            soaked.lists, soaked.events = lists.result(), events.result()
    soaked.stored = _stored(shop)
    return soaked


def _stored(shop: Shop) -> int:
    """Events of this run in the log."""
    count, after = 0, 0
    with closing(shop.state()) as state:
        while rows := state.posted(after, LINES_AT_ONCE):
            count += sum(row.event_id.startswith("soak-") for row in rows)
            after = rows[-1].seq
    return count


def _swap(mover: Mover, soaked: Soaked, swaps: int, seconds: float) -> None:
    """New releases at even distances."""
    started = time.monotonic()
    for number in range(1, swaps + 1):
        time.sleep(max(0.0, started + number * seconds / (swaps + 1) - time.monotonic()))
        began = time.monotonic()
        _move(mover, number)
        soaked.swaps.append((began - started, time.monotonic() - began))


def _move(mover: Mover, number: int) -> None:
    live = mover.ledger.live()
    release = new_release(44, f"{number:08x}" * 8)
    mover.release(release, live.release_id if live else None, "benchmark", "soak")


def _lists(shop: Shop, port: int) -> list[bytes]:
    bodies = [json.dumps({"user_id": user, "k": 10}).encode() for user in shop.users]
    return [http_request("/v1/recommendations", f"127.0.0.1:{port}", body, {}) for body in bodies]


def _events(shop: Shop, port: int, count: int) -> list[bytes]:
    """Purchases, no two alike."""
    with closing(shop.state()) as state:
        item = str(state.history(shop.users[0]).items[0])
    made = []
    for number in range(count):
        event = {
            "event_id": f"soak-{number}",
            "user_id": shop.users[number % len(shop.users)],
            "item_id": item,
            "event_type": "purchase",
        }
        made.append(http_request("/v1/events", f"127.0.0.1:{port}", json.dumps(event).encode(), {}))
    return made


@contextmanager
def _watched(supervisor: psutil.Process, soaked: Soaked) -> Iterator[None]:
    """Note the memory while the block runs."""
    stop, started = threading.Event(), time.monotonic()

    def watch() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            soaked.memory.append((time.monotonic() - started, _mib(supervisor)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _mib(supervisor: psutil.Process) -> float:
    """Resident memory of a process and all below it; one that ends meanwhile counts nothing."""
    total = 0
    for process in [supervisor, *supervisor.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / MIB


def report(soaked: Soaked, swaps: int, data: dict[str, Any]) -> dict[str, Any]:
    """The common form of a benchmark's report."""
    first, last = soaked.levels()
    growth = round(last / first - 1, 4)
    lost = len(soaked.events.milliseconds) - soaked.stored
    rows = [
        *_rows("lists", soaked.lists),
        *_rows("events", soaked.events),
        _row("events", "lost", lost),
        _row("endpoint", "swaps", len(soaked.swaps)),
        _row("endpoint", "swap_seconds_at_most", max((took for _, took in soaked.swaps), default=0.0)),
        _row("endpoint", "memory_mib_first_quarter", first),
        _row("endpoint", "memory_mib_last_quarter", last),
    ]
    failed = soaked.lists.errors.total() + soaked.events.errors.total()
    goals = [
        {"goal": "failed requests == 0", "value": failed, "met": failed == 0},
        {"goal": "acknowledged events that are not stored == 0", "value": lost, "met": lost == 0},
        {
            "goal": f"swaps under load == {swaps}",
            "value": len(soaked.swaps),
            "met": len(soaked.swaps) == swaps,
        },
        {
            "goal": f"growth of memory, first to last quarter, < {GROWTH_GOAL:g}",
            "value": growth,
            "met": growth < GROWTH_GOAL,
        },
    ]
    return {
        "benchmark": "soak",
        "command": " ".join(["python -m benchmarks.soak", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "data": data | {"rate": round(soaked.rate, 1), "seconds": round(soaked.lists.seconds)},
        "results": rows,
        "resources": [],
        "memory": [[round(at, 1), round(mib, 1)] for at, mib in soaked.memory],
        "goals": goals,
    }


def _rows(system: str, seen: Seen) -> list[dict[str, Any]]:
    found = findings(seen)
    kinds = {f"failed: {kind}": count for kind, count in sorted(seen.errors.items())}
    named = {name: found[name] for name in ("answered", "per_second", "p50_ms", "p99_ms", "max_ms")} | kinds
    return [_row(system, metric, value) for metric, value in named.items()]


def _row(system: str, metric: str, value: float) -> dict[str, Any]:
    return {"system": system, "split": "test", "metric": metric, "value": value}


def draw(soaked: Soaked, file: Path) -> None:
    """Memory and latency over time, with the swaps."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (memory, latency) = pyplot.subplots(2, 1, figsize=(9, 5.5), sharex=True)
    memory.plot([at for at, _ in soaked.memory], [mib for _, mib in soaked.memory])
    memory.set(ylabel="MiB of all processes", ylim=(0, None))
    latency.plot(soaked.lists.due, soaked.lists.milliseconds, ".", markersize=1)
    latency.set(ylabel="ms of a list", xlabel="s", yscale="log")
    for axis in (memory, latency):
        for at, took in soaked.swaps:
            axis.axvspan(at, at + took, color="C1", alpha=0.4)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> int:
    """Measure and write ``report.json`` and ``soak.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    add_arguments(parser)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--swaps", type=int, default=10, help="new releases, at even distances")
    parser.add_argument(
        "--store", choices=STORES, default=STORES[0], help="where shoppers and events are kept"
    )
    parser.add_argument("--rate", type=float, help="lists a second; half of what is answered at most without")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="shoploop-soak-") as folder:
        try:
            made = prepare(arguments.bundle, arguments.events, Path(folder).resolve() / "home", settings())
            with stored_in(arguments.store, made) as shop:
                soaked = soak(shop, 60 * arguments.minutes, arguments.swaps, arguments.rate)
                facts = shop.facts() | {"store": shop.state_url.partition(":")[0] or STORES[0]}
        except InputError as error:
            print(error, file=sys.stderr)
            return 2
        whole = report(soaked, arguments.swaps, facts)
    conclude(whole, arguments.out)
    draw(soaked, arguments.out / "soak.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
