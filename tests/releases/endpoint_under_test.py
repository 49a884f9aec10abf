"""A real endpoint (supervisor, Caddy, data planes) in a folder of its own, and a load on it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

import psutil

from pipelines.releases.bento import free_port
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release, utc_now
from pipelines.releases.status import EndpointDown, read_status
from pipelines.settings import Settings
from tests.processes import runs

TINY = Path(__file__).parent / "tiny_release.py"


def make_release(week, sha="a" * 64, bento_path="/nowhere", run_id="run-1"):
    return Release(
        release_id=f"r-{week}-{sha[:8]}",
        created_at=utc_now(),
        run_id=run_id,
        decision_id="d-quality-1",
        bento_tag=f"shoploop:{sha[:8]}",
        bento_path=str(bento_path),
        bundle_sha256=sha,
        model_version="1",
        week=week,
        tree_id="t" * 40,
        dirty=False,
        dvc_lock_sha256="1" * 64,
        params_sha256="2" * 64,
        lock_sha256="3" * 64,
    )


def eventually(is_true, seconds=20, what="it"):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := is_true():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def marked(home):
    """Processes that carry this home in SHOPLOOP_STACK."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SHOPLOOP_STACK") == str(home) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if runs(process)]


class EndpointUnderTest:
    def __init__(self, home, ledger_url=""):
        self.home = home.resolve()
        self.settings = Settings(home=self.home, port_endpoint=free_port(), ledger_url=ledger_url)
        self.ledger = Ledger(self.settings.ledger)
        self.process = None

    def start(self, start_seconds=10, command=f"{sys.executable} {TINY} {{bento_path}}"):
        """Start the supervisor; ``command=None`` serves real Bentos."""
        argv = [sys.executable, "-m", "pipelines.releases.endpoint", "--start-seconds", str(start_seconds)]
        argv += ["--start-command", command] if command else []
        with (self.home / "endpoint.log").open("ab") as log:
            self.process = subprocess.Popen(argv, env=self.environment(), stdout=log, stderr=log)
        eventually(lambda: self.get("/healthz")[0] == 200, what="/healthz")
        return self

    def environment(self):
        return os.environ | {
            "SHOPLOOP_HOME": str(self.home),
            "SHOPLOOP_PORT_ENDPOINT": str(self.settings.port_endpoint),
            "SHOPLOOP_LEDGER_URL": self.settings.ledger_url,
            "SHOPLOOP_STACK": str(self.home),
        }

    def get_raw(self, path):
        try:
            with urllib.request.urlopen(f"{self.settings.endpoint}{path}", timeout=5) as answer:
                return answer.status
        except OSError:
            return 0

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port_endpoint, timeout=15)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or "null")
        except OSError:
            return 0, None
        finally:
            connection.close()

    def serves(self):
        return (self.get("/v1/release")[1] or {}).get("release")

    def status(self):
        return read_status(self.settings)

    def state(self, release_id):
        try:
            found = self.status().releases.get(release_id)
        except EndpointDown:
            return ""
        return found.state if found else ""

    def add(self, week, letter, behaviour="good"):
        folder = self.home / "bentos" / f"{week}-{letter}"
        folder.mkdir(parents=True)
        (folder / "behaviour").write_text(behaviour)
        return self.ledger.add_release(make_release(week, letter * 64, folder)).release_id

    def make_live(self, release_id):
        """By the ledger alone, as a restored backup would: the endpoint has to follow."""
        live = self.ledger.live()
        self.ledger.move(release_id, live.release_id if live else None, "release", "test", "test", "d-1")
        eventually(lambda: self.serves() == release_id, what=f"{release_id} live")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.ledger.close()


def run_and_clear(under_test):
    yield under_test
    under_test.stop()
    try:
        eventually(lambda: not marked(under_test.home), 20, "the end of every process")
    finally:
        for stray in marked(under_test.home):
            stray.kill()


class Load:
    """Clients that keep their connections open and count every answer that is not a 200."""

    def __init__(self, port, clients=4):
        self.port = port
        self.answers = Counter()
        self.failures = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        body, headers = json.dumps({"user_id": "1"}), {"Content-Type": "application/json"}
        while not self._stopped.is_set():
            try:
                connection.request("POST", "/v1/recommendations", body, headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if answer.status == 200:
                self.answers[json.loads(text)["release"]] += 1
            else:
                self.failures.append((answer.status, text))
