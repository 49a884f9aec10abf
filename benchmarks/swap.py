"""What a swap costs: failed requests, rollback time, and Caddy's share of a request.

``python -m benchmarks.swap --out DIR`` starts a real endpoint in a temporary home. The peer of steering by
files is the same Caddy reloaded through its admin API; the peer of Caddy is the data plane asked directly.
"""

import argparse
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.releases.bento import free_port
from pipelines.releases.caddy import caddy_binary, configuration
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release, release_id_of, utc_now
from pipelines.releases.status import read_status
from pipelines.releases.switch import Mover
from pipelines.settings import CHECKOUT, Settings

PLANE = f"{sys.executable} -m granian --interface asgi --no-ws --http 1 --log-level error"
PLANE += f" --working-dir {CHECKOUT} --port {{data_port}} benchmarks.swap_plane:app"
PAUSE_SECONDS = 0.2
LOAD_SECONDS = 3
COMMANDS = 3


class Bench:
    """A real endpoint with two releases."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, port_endpoint=free_port())
        self.ledger = Ledger(self.settings.ledger)
        self.mover = Mover(self.ledger, self.settings)
        self.environment = os.environ | {
            "SHOPLOOP_HOME": str(home),
            "SHOPLOOP_PORT_ENDPOINT": str(self.settings.port_endpoint),
        }
        self.releases = [new_release(44, "a" * 64), new_release(44, "b" * 64)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """The supervisor, both releases warm and the second live."""
        command = [sys.executable, "-m", "pipelines.releases.endpoint", "--start-command", PLANE]
        with subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL) as supervisor:
            try:
                wait_for_port(self.settings.port_endpoint)
                first, second = self.releases
                self.mover.release(first, None, "benchmark", "first")
                self.mover.release(second, first.release_id, "benchmark", "second")
                yield
            finally:
                supervisor.terminate()

    def swap(self) -> None:
        """Release the one that is not live; both stay warm."""
        live = self.ledger.live()
        other = next(release for release in self.releases if release != live)
        self.mover.release(other, live.release_id if live else None, "benchmark", "swap")

    def roll_back(self) -> float:
        """Seconds of a rollback, from the call to the first answer of the old release."""
        return self.mover.roll_back(None, "benchmark", "measured").seconds

    def roll_back_by_command(self) -> float:
        """Seconds of ``shoploop releases rollback``, from its start to its end, after the first answer."""
        started = time.monotonic()
        command = [sys.executable, "-m", "pipelines.cli", "releases", "rollback", "--reason", "measured"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
        return time.monotonic() - started

    def data_ports(self) -> list[int]:
        """Where the releases' data planes listen."""
        status = read_status(self.settings)
        return [status.releases[release.release_id].port or 0 for release in self.releases]


def new_release(week: int, sha: str) -> Release:
    """A release that no run made."""
    unknown = "benchmark"
    return Release(
        release_id=release_id_of(week, sha),
        created_at=utc_now(),
        run_id=unknown,
        decision_id=unknown,
        bento_tag=unknown,
        bento_path=unknown,
        bundle_sha256=sha,
        model_version="",
        week=week,
        tree_id=unknown,
        dirty=True,
        dvc_lock_sha256="",
        params_sha256="",
        lock_sha256="",
    )


def wait_for_port(port: int) -> None:
    """Until somebody listens.

    Raises:
        TimeoutError: Nobody does after 20 seconds.
    """
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port} after 20 s")


@contextmanager
def load(port: int, clients: int = 8) -> Iterator[dict[str, Any]]:
    """Load from another process while the block runs; what it saw is in the dictionary afterwards."""
    command = [sys.executable, "-m", "benchmarks.swap_load", str(port), str(clients)]
    seen: dict[str, Any] = {}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    ) as asking:
        time.sleep(0.5)
        yield seen
        output, _ = asking.communicate()
    seen.update(json.loads(output))


class _Admin(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def reload_configuration(port: int, upstreams: list[int], admin: Path) -> dict[str, Any]:
    """The endpoint's own configuration, but with upstreams in it instead of in files."""
    whole = configuration("127.0.0.1", port)
    whole["admin"] = {"listen": f"unix/{admin}", "config": {"persist": False}}
    server = whole["apps"]["http"]["servers"]["endpoint"]
    server["routes"] = server["routes"][-1:]
    server["routes"][0]["handle"][0]["upstreams"] = [{"dial": f"127.0.0.1:{port}"} for port in upstreams]
    return whole


@contextmanager
def static_caddy(home: Path, planes: list[int]) -> Iterator[tuple[int, Path]]:
    """The peer: upstreams in the configuration, an admin API to change them; gives port and admin socket."""
    port, folder = free_port(), home / "static"
    folder.mkdir()
    admin, file = folder / "admin.sock", folder / "caddy.json"
    file.write_text(json.dumps(reload_configuration(port, planes, admin)))
    confined = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    command = [caddy_binary(), "run", "--config", str(file)]
    with subprocess.Popen(command, env=confined, cwd=folder, stderr=subprocess.DEVNULL) as caddy:
        wait_for_port(port)
        yield port, admin
        caddy.terminate()


def measure_reloads(port: int, admin: Path, planes: list[int], swaps: int) -> dict[str, Any]:
    """The same swaps by ``POST /load``."""
    with load(port) as seen:
        for number in range(2 * swaps):
            order = planes if number % 2 else planes[::-1]
            _reload(admin, reload_configuration(port, order, admin))
            time.sleep(PAUSE_SECONDS)
    return seen


def _reload(admin: Path, whole: dict[str, Any]) -> None:
    connection = _Admin(admin)
    connection.request("POST", "/load", json.dumps(whole), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"Caddy refused its configuration: {text!r}")


def measure(home: Path, swaps: int, rounds: int) -> dict[str, Any]:
    """Everything, in one run of one endpoint."""
    bench = Bench(home)
    with bench.running():
        port = bench.settings.port_endpoint
        rollbacks: list[float] = []
        with load(port) as files:
            for _ in range(swaps):
                bench.swap()
                time.sleep(PAUSE_SECONDS)
            for _ in range(swaps - COMMANDS):
                rollbacks.append(bench.roll_back())
                time.sleep(PAUSE_SECONDS)
        commands = [bench.roll_back_by_command() for _ in range(COMMANDS)]
        planes = bench.data_ports()
        with static_caddy(home, planes) as (static, admin):
            shares = measure_shares({"direct": planes[0], "caddy": port, "caddy_static": static}, rounds)
            reloads = measure_reloads(static, admin, planes, swaps)
    return {
        "files": files,
        "reloads": reloads,
        "rollbacks": rollbacks,
        "commands": commands,
        "shares": shares,
    }


def measure_shares(targets: dict[str, int], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Load on each target in turn, so that what else the machine does falls on both."""
    shares: dict[str, list[dict[str, Any]]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, target in targets.items():
            with load(target) as seen:
                time.sleep(LOAD_SECONDS)
            shares[name].append(seen)
    return shares


def report(seen: dict[str, Any], swaps: int) -> dict[str, Any]:
    """The common form of a benchmark's report."""
    rows: list[dict[str, Any]] = []

    def row(
        system: str, metric: str, value: float, low: float | None = None, high: float | None = None
    ) -> None:
        rows.append(
            {"system": system, "split": "test", "metric": metric, "value": value, "low": low, "high": high}
        )

    for system in ("files", "reloads"):
        row(system, "swaps", 2 * swaps - (COMMANDS if system == "files" else 0))
        row(system, "requests", seen[system]["requests"])
        row(system, "failed_requests", sum(seen[system]["failures"].values()))
    for system, values in (("mover", seen["rollbacks"]), ("command", seen["commands"])):
        row(system, "rollback_seconds", statistics.median(values), min(values), max(values))
    for system, shares in seen["shares"].items():
        for metric in ("per_second", "p50_ms", "p99_ms"):
            values = [share[metric] for share in shares]
            row(system, metric, statistics.median(values), min(values), max(values))
    failed = sum(seen["files"]["failures"].values())
    goals = [
        {"goal": "failed_requests of files == 0", "met": failed == 0},
        {"goal": "rollback_seconds of command < 2", "met": max(seen["commands"]) < 2},
    ]
    return {
        "benchmark": "swap",
        "command": " ".join(["python -m benchmarks.swap", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "data": {"path": "benchmarks/swap_plane.py", "sha256": "", "users": 1},
        "results": rows,
        "resources": [],
        "goals": goals,
    }


def draw(seen: dict[str, Any], file: Path) -> None:
    """Latency with and without Caddy, and failures by the way of swapping."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (latency, failures) = pyplot.subplots(1, 2, figsize=(9, 3.5))
    for offset, name in ((-0.2, "direct"), (0.2, "caddy")):
        values = [statistics.median(share[m] for share in seen["shares"][name]) for m in ("p50_ms", "p99_ms")]
        latency.bar([0 + offset, 1 + offset], values, 0.4, label=name)
    latency.set_xticks([0, 1], ["p50", "p99"])
    latency.set_ylabel("ms, 8 clients")
    latency.legend()
    names = ("files", "reloads")
    failures.bar(names, [sum(seen[name]["failures"].values()) for name in names])
    failures.set_ylabel("failed requests")
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    """Measure and write ``report.json`` and ``swap.svg``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swap", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--swaps", type=int, default=20, help="there, and as many back")
    parser.add_argument("--rounds", type=int, default=3, help="of direct and proxied load, in turn")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="shoploop-swap-") as home:
        seen = measure(Path(home).resolve(), arguments.swaps, arguments.rounds)
    whole = report(seen, arguments.swaps)
    (arguments.out / "report.json").write_text(json.dumps(whole, indent=2) + "\n")
    draw(seen, arguments.out / "swap.svg")
    for line in whole["results"]:
        print(f"{line['system']:<8} {line['metric']:<18} {line['value']}")


if __name__ == "__main__":
    main()
