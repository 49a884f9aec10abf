"""What logging served features costs a request: ``python -m benchmarks.served_features --out DIR``.

Three data planes stand beside each other, with a bundle of the size of Complete Journey's and random weights, which
log none, a hundredth (the default) and all of the requests. They are asked in turn, a block of requests each, so
that what else the machine does falls on all; the peer is the plane that logs none.
"""

import argparse
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from pipelines.domain import History
from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.ranking.attributes import ATTRIBUTES, Attributes
from pipelines.ranking.bundle import seal, write_arrays, write_json
from pipelines.releases.rehearsal import free_ports, set_clock
from pipelines.retrieval.companions import Companions
from pipelines.settings import CHECKOUT
from pipelines.text.search_index import SearchIndex
from serving.served_features import read_served
from serving.sqlite_state import SqliteState

NOW = 1_509_336_000_000_000
DAY = 86_400_000_000
ITEMS, TYPES, SHOPPERS, BASKETS, LINES = 30_000, 2_000, 50, 60, 10
SHARES = {"none": 0.0, "hundredth": 0.01, "all": 1.0}
SCENARIOS = {"search": {"taste_weight": 0.5}, "new_arrivals": {"days": 28.0}}
NO_LIMITS = {"showings": None, "showings_days": 7, "budget_showings": None, "budget_redemptions": None}
RATES = {"base": 0.01, "types": {}, "own_weight": 10}
NO_PROMOTIONS = {
    "rates": RATES,
    "lately_days": 56,
    "starts_us": [],
    "campaigns": [],
    "limits": {"": NO_LIMITS},
}
SYSTEMS = {"popularity": "share", "personal_frequency_decayed": "log", "due": "log", "sequence": "logit"}


def write_bundle(path: Path) -> None:
    """A bundle of a real one's size."""
    path.mkdir(parents=True)
    ids = [f"{number:07d}" for number in range(ITEMS)]
    random = np.random.default_rng(1)
    write_json(path / "items.json", {"ids": ids, "titles": [f"Item {name}" for name in ids]})
    popularity = random.random(ITEMS).astype(np.float32)
    reach, kind, sellable = np.zeros(ITEMS, np.float32), np.zeros(ITEMS, np.int32), np.ones(ITEMS, bool)
    about = {"reach": reach, "kind": kind, "sellable": sellable, "first_sold_us": np.zeros(ITEMS, np.int64)}
    write_arrays(path / "popularity.npz", {"scores": popularity, **about})
    nobody = np.full((ITEMS, 1), -1, np.int32)
    nothing = np.zeros(nobody.shape, np.float32)
    Companions(nobody, nothing, nobody, nothing, nothing).save(path / "companions.npz")
    Attributes.of({name: [None] * ITEMS for name in ATTRIBUTES}).save(path / "attributes.npz")
    write_arrays(path / "sequence.npz", sequence(random))
    rows = [{"system": system, "scale": scale, "weight": 1.0} for system, scale in SYSTEMS.items()]
    SearchIndex.of([f"Item {name}" for name in ids]).save(path / "search.npz")
    write_json(path / "promotions.json", NO_PROMOTIONS)
    seal(path, {"format": 1, "week": 44, **SCENARIOS, "blends": {"blend": rows}})


def sequence(random: np.random.Generator) -> dict[str, np.ndarray]:
    """A neural part of the size ``base``, not trained."""
    width, hidden, small, history, context = 32, 48, 12, len(HISTORY_FEATURES), len(CONTEXT_FEATURES)
    dense = {
        "bias_in": (6, hidden), "bias_out": (hidden, 1), "item_project": (width, small), "type_project": (width, small),
        "context_in": (context, width), "query": (width, width), "keys": (width, width), "values": (width, width),
        "feed_in": (width, hidden), "feed_out": (hidden, width), "type_in": (history + context + small, hidden),
        "type_state": (hidden, small), "type_out": (small, 1),
        "copy_in": (history + small + 6 + context + small + 1, hidden), "copy_mid": (hidden, hidden),
        "copy_out": (hidden, 1),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {f"{name}/kernel": shape for name, shape in dense.items()}
    shapes |= {f"{name}/bias": shape[1:] for name, shape in dense.items()}
    for block, size in (("statistics", 6), ("context", context), ("type", history), ("history", history)):
        shapes |= {f"{block}_shift": (size,), f"{block}_scale": (size,)}
    shapes |= {
        "item_embedding": (ITEMS, width), "type_embedding": (TYPES, width), "item_bias": (ITEMS, 1),
        "item_statistics": (ITEMS, 6), "age_slope": (4,), "time_weights": (8, 4), "copy_wide": (history, 1),
    }  # fmt: skip
    arrays = {name: (0.1 * random.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    return arrays | {"item_row": np.arange(ITEMS), "item_type": np.arange(ITEMS) % TYPES}


def write_state(path: Path) -> None:
    """Shoppers with a year of baskets."""
    random = np.random.default_rng(2)
    state = SqliteState(path)
    state.replace_histories(history(str(user), random) for user in range(SHOPPERS))
    state.close()


def history(user_id: str, random: np.random.Generator) -> History:
    """One shopper: baskets of distinct items, most of them bought again and again."""
    usual = random.choice(ITEMS, 150, replace=False)
    days = np.sort(random.integers(1, 365, BASKETS))[::-1]
    items = [np.sort(random.choice(usual, LINES, replace=False)) for _ in days]
    return History(
        user_id,
        np.array([f"{item:07d}" for item in np.concatenate(items)], np.str_),
        np.repeat(NOW - days * DAY, LINES).astype(np.int64),
        np.repeat(np.arange(BASKETS), LINES).astype(np.int32),
    )


@dataclass(frozen=True)
class Plane:
    """A data plane in a process of its own, and a kept connection to it."""

    process: psutil.Process
    connection: http.client.HTTPConnection

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far: it does not depend on what else the machine does."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def plane(home: Path, name: str, share: float) -> Iterator[Plane]:
    """A ready data plane."""
    folder = home / name
    write_state(folder / "shopper.db")
    set_clock(folder, NOW)
    (port,) = free_ports(1)
    given = {
        "DATA_PORT": port, "BUNDLE": home / "bundle", "STATE_FILE": folder / "shopper.db", "STATE_URL": "",
        "CLOCK_FILE": folder / "clock.json", "SERVED_FEATURES_SHARE": share,
    }  # fmt: skip
    environment = os.environ | {f"SHOPLOOP_{key}": str(value) for key, value in given.items()}
    with subprocess.Popen(
        [sys.executable, "-m", "serving"],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            wait(connection)
            yield Plane(psutil.Process(process.pid), connection)
        finally:
            process.terminate()


def wait(connection: http.client.HTTPConnection) -> None:
    """Wait until a plane is ready."""
    for _ in range(300):
        try:
            connection.request("GET", "/readyz")
            connection.getresponse().read()
            return
        except OSError:
            connection.close()
            time.sleep(0.1)
    raise RuntimeError("a data plane was not ready within 30 s")


def ask(connection: http.client.HTTPConnection, number: int) -> float:
    """Milliseconds of one request."""
    body = json.dumps({"user_id": str(number % SHOPPERS), "k": 10})
    started = time.perf_counter()
    connection.request("POST", "/v1/recommendations", body)
    answer = connection.getresponse()
    source = json.loads(answer.read())["source"]
    taken = 1000 * (time.perf_counter() - started)
    if source != "blend":
        raise RuntimeError(f"expected a blended answer, found one by {source}")
    return taken


@dataclass
class Seen:
    """What one plane did: milliseconds of each request, processor seconds of all, and rows logged."""

    taken: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0
    rows: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """In the words of a report."""
        cpu_ms = 1000 * self.cpu_seconds / len(self.taken)
        return {
            "p50_ms": statistics.median(self.taken),
            "p99_ms": percentile(self.taken),
            "cpu_ms": cpu_ms,
            "logged_rows": self.rows,
        }


def measure(home: Path, requests: int, block: int) -> dict[str, Seen]:
    """Ask the planes in turn."""
    write_bundle(home / "bundle")
    seen = {name: Seen() for name in SHARES}
    with ExitStack() as stack:
        planes = {name: stack.enter_context(plane(home, name, share)) for name, share in SHARES.items()}
        for one in planes.values():
            for number in range(block):
                ask(one.connection, number)
        started = {name: one.cpu_seconds() for name, one in planes.items()}
        for first in range(0, requests, block):
            for name, one in planes.items():
                seen[name].taken += [ask(one.connection, first + number) for number in range(block)]
        time.sleep(1)  # what is written behind the answers costs processor time, too
        for name, one in planes.items():
            seen[name].cpu_seconds = one.cpu_seconds() - started[name]
    for name in SHARES:
        seen[name].rows = len(list(read_served(home / name / "served_features.db")))
    return seen


def report(seen: dict[str, Seen]) -> dict[str, Any]:
    """The common form of a benchmark's report."""
    results = []
    peer = seen["none"].figures
    for name, one in seen.items():
        ratios = {f"{metric}_to_none": one.figures[metric] / peer[metric] for metric in ("p99_ms", "cpu_ms")}
        results += [
            {"system": f"logs_{name}", "split": "test", "metric": metric, "value": round(value, 4)}
            for metric, value in (one.figures | ratios).items()
        ]
    ratio = seen["hundredth"].figures["p99_ms"] / peer["p99_ms"]
    return {
        "benchmark": "served_features",
        "command": " ".join(["python -m benchmarks.served_features", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "data": {"path": "benchmarks/served_features.py", "sha256": "", "users": SHOPPERS, "items": ITEMS},
        "results": results,
        "resources": [],
        "goals": [{"goal": "p99_ms_to_none of logs_hundredth < 1.05", "met": ratio < 1.05}],
    }


def percentile(values: list[float]) -> float:
    """The 99th of a hundred."""
    return float(np.quantile(values, 0.99))


def draw(seen: dict[str, Seen], file: Path) -> None:
    """How the times of the planes lie beside each other."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    for name, one in seen.items():
        axes.plot(np.sort(one.taken), np.linspace(0, 1, len(one.taken)), label=f"logs {name}")
    axes.set_xlim(0, 2 * percentile(seen["none"].taken))
    axes.set_xlabel("ms")
    axes.set_ylabel("share of requests answered")
    axes.legend()
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    """Measure and write ``report.json`` and ``served_features.svg``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served_features", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=6000, help="of each plane")
    parser.add_argument(
        "--block", type=int, default=100, help="requests of one plane before the next one's turn"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="shoploop-served-") as home:
        seen = measure(Path(home).resolve(), arguments.requests, arguments.block)
    whole = report(seen)
    (arguments.out / "report.json").write_text(json.dumps(whole, indent=2) + "\n")
    draw(seen, arguments.out / "served_features.svg")
    for line in whole["results"]:
        print(f"{line['system']:<15} {line['metric']:<12} {line['value']}")


if __name__ == "__main__":
    main()
