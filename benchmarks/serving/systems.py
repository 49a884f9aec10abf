"""The services that are compared, each started as a shop would start it."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from benchmarks.serving.echo import ECHO
from benchmarks.serving.inputs import InputError, Shop
from benchmarks.swap import static_caddy
from pipelines.releases.rehearsal import free_ports
from pipelines.settings import CHECKOUT

ROUTED, PLANE, BENTOML, BENTOML_THREADS = "endpoint", "data_plane", "bentoml_api", "bentoml_api_threads"
ROUTES = {
    ROUTED: "/v1/recommendations",
    PLANE: "/v1/recommendations",
    BENTOML: "/v1/recommendations",
    BENTOML_THREADS: "/threaded",
}
"""By system: the endpoint is the data plane behind Caddy, as `shoploop up` serves it."""
PEER_WORKERS = "SHOPLOOP_BENCHMARK_WORKERS"
START_SECONDS = 120
STOP_SECONDS = 20


@contextmanager
def running(shop: Shop, echo: bool, processes: int) -> Iterator[dict[str, int]]:
    """All systems at once, each of so many processes; gives the port of each."""
    (plane, plain) = free_ports(2)
    environment = os.environ | shop.environment | {"PYTHONPATH": str(CHECKOUT), ECHO: "1" if echo else ""}
    environment |= {"SHOPLOOP_PROCESSES": str(processes), PEER_WORKERS: str(processes)}
    environment |= {"BENTOML_HOME": str(shop.home / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    own = [sys.executable, "-m", "benchmarks.serving.plane"]
    peer = [sys.executable, "-m", "bentoml", "serve", "benchmarks.serving.plain:Plain"]
    peer += ["--host", "127.0.0.1", "--port", str(plain)]
    folder = shop.home / ("echo" if echo else "model")
    folder.mkdir()
    with ExitStack() as stack:
        process = stack.enter_context(
            _process(own, environment | {"SHOPLOOP_DATA_PORT": str(plane)}, folder / "plane.log")
        )
        _wait(process, plane, folder / "plane.log")
        process = stack.enter_context(_process(peer, environment, folder / "plain.log"))
        _wait(process, plain, folder / "plain.log")
        router, _ = stack.enter_context(static_caddy(folder, [plane]))
        yield {ROUTED: router, PLANE: plane, BENTOML: plain, BENTOML_THREADS: plain}


@contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=file, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then whatever is left of it and of what it started."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    for one in family:
        if one.is_running():
            one.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it is ready."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise InputError(f"A service did not start within {START_SECONDS} s: {log.read_text()[-800:]}")
