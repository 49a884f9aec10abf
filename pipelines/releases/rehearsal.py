"""Starts a Bento beside everything else, with a state of its own, and asks it what is known already."""

import http.client
import json
import math
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

LOOPBACK = "127.0.0.1"
MARK = "SHOPLOOP_REHEARSAL"
TOLERANCE = 1e-4
STOP_SECONDS = 30
ERROR_LINE = re.compile(r"[\w.]*(Error|Exception|Exit)\b: ")
DATA_PLANE_ENDED = (
    "Service process exited before becoming healthy"  # BentoML's words; it stays, and serves nothing
)
CLOCK_LOOK_SECONDS = 1.2  # the data plane looks at its clock once a second


class RehearsalError(Exception):
    """The Bento did not do what a Bento does; the message says what and shows its last words."""


@dataclass(frozen=True)
class KnownQuery:
    """A question whose answer was worked out offline.

    Attributes:
        user_id: The shopper.
        now: When it is asked, microseconds since the epoch.
        expected: Item id and score, best first.
        tied: The same of what stands behind the list with the score of its last place.
    """

    user_id: str
    now: int
    expected: tuple[tuple[str, float], ...]
    tied: tuple[tuple[str, float], ...] = ()


class BentoOnTrial:
    """A started Bento.

    Args:
        bento: Its folder.
        folder: Where its state, clock and log go.
        bentoml_home: BentoML's store.
    """

    def __init__(self, bento: Path, folder: Path, bentoml_home: Path) -> None:
        self.folder = folder
        self.port, own_port = free_ports(2)
        self._log = (folder / "bento.log").open("wb")
        self._connection: http.client.HTTPConnection | None = None
        self.admin_token = secrets.token_urlsafe()
        self.peak_memory_mib = 0.0
        command = [
            sys.executable,
            "-m",
            "bentoml",
            "serve",
            str(bento),
            "--host",
            LOOPBACK,
            "--port",
            str(own_port),
        ]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=self._environment(bentoml_home),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _environment(self, bentoml_home: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "SHOPLOOP_BUNDLE"}
        return inherited | {
            MARK: str(self.folder),
            "BENTOML_HOME": str(bentoml_home),
            "BENTOML_DO_NOT_TRACK": "True",
            "SHOPLOOP_DATA_HOST": LOOPBACK,
            "SHOPLOOP_DATA_PORT": str(self.port),
            "SHOPLOOP_STATE_FILE": str(self.folder / "shopper.db"),
            "SHOPLOOP_STATE_URL": "",  # a trial leaves no trace in the shop's own state
            "SHOPLOOP_CLOCK_FILE": str(self.folder / "clock.json"),
            "SHOPLOOP_RELEASE_ID": "rehearsal",
            "SHOPLOOP_VARIANT": "rehearsal",
            "SHOPLOOP_OPEN_SCOPES": "read,events",
            "SHOPLOOP_ADMIN_TOKEN": self.admin_token,
            **dict.fromkeys(("SHOPLOOP_TLS_CERT", "SHOPLOOP_TLS_KEY", "SHOPLOOP_TRACES"), ""),
        }

    def wait_ready(self, seconds: float) -> float:
        """Wait until it is ready and return how long that took.

        Raises:
            RehearsalError: It says that it never will be, ends, or takes longer.
        """
        started = time.monotonic()
        reason = "it does not listen"
        while (waited := time.monotonic() - started) < seconds:
            if self._process.poll() is not None:
                raise RehearsalError(
                    f"its process ended with code {self._process.returncode}: {self.last_words()}"
                )
            if DATA_PLANE_ENDED in self._log_text():
                raise RehearsalError(f"its data plane ended before it was ready: {self.last_words()}")
            try:
                status, answer = self.ask("GET", "/readyz")
                if status == 200:
                    return waited
                reason = str(answer.get("message"))
                if answer.get("error") == "model_not_loaded":
                    raise RehearsalError(reason)
            except (OSError, http.client.HTTPException):
                self._drop_connection()
            time.sleep(0.05)
        raise RehearsalError(f"not ready after {seconds:g} s: {reason}: {self.last_words()}")

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request of the shop itself on a kept connection; status and the answer's JSON."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        content = json.dumps(body) if body is not None else None
        self._connection.request(method, path, content, {"Authorization": f"Bearer {self.admin_token}"})
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        return answer.status, said if isinstance(said, dict) else {}

    def measure_memory(self) -> float:
        """Add up what its processes hold now in MiB, and keep the most seen."""
        total = 0
        for process in self._members():
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        self.peak_memory_mib = max(self.peak_memory_mib, total / 2**20)
        return total / 2**20

    def last_words(self) -> str:
        """What its log says went wrong: the errors in it, the first ones, or else its end."""
        lines = self._log_text().strip().splitlines()
        errors = dict.fromkeys(line for line in lines if ERROR_LINE.match(line))
        return " | ".join([*errors][:3] or lines[-3:])[:600]

    def _log_text(self) -> str:
        return (self.folder / "bento.log").read_text(errors="replace")

    def stop(self) -> int:
        """Ask it to stop, then end what is left; returns how many processes did not stop by themselves."""
        self._drop_connection()
        members = self._members()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(members, timeout=STOP_SECONDS)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        self._process.wait()
        self._log.close()
        return len(left)

    def _members(self) -> list[psutil.Process]:
        try:
            leader = psutil.Process(self._process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def set_clock(folder: Path, now: int) -> None:
    """Let it be ``now`` (microseconds) in the Bento's shop: an anchor in the future holds the clock still."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now)
    anchor = datetime.now(UTC) + timedelta(days=365)
    record = {"mode": "replay", "base": moment.isoformat(), "anchored_at": anchor.isoformat(), "week": 0}
    draft = folder / ".clock.json"
    draft.write_text(json.dumps(record))
    draft.replace(folder / "clock.json")


def difference(query: KnownQuery, answer: Mapping[str, Any]) -> str:
    """What is wrong with an answer, empty for nothing.

    What has equal offline scores within the tolerance may change places, also over the end of the list.
    """
    found = [(str(item["item_id"]), float(item["score"])) for item in answer.get("items", [])]
    if len(found) != len(query.expected):
        return f"user {query.user_id}: expected {len(query.expected)} items, found {len(found)}"
    if len({item for item, _ in found}) != len(found):
        return f"user {query.user_id}: an item is there twice"
    scores = dict(query.expected + query.tied)
    for place, ((item, score), (expected, right)) in enumerate(
        zip(found, query.expected, strict=True), start=1
    ):
        if not _close(scores.get(item, math.inf), right):
            return f"user {query.user_id}, place {place}: expected item {expected}, found {item}"
        if not _close(score, right):
            return f"user {query.user_id}, place {place}: score of {item} {score:.6g}, expected {right:.6g}"
    return ""


@dataclass(frozen=True)
class TimedRequests:
    """What requests took.

    Attributes:
        latencies_ms: Of each.
        wrong_answers: One sentence for each answer, those of the warming up among them, that is not the known one.
        memory_growth_kib: How much more all processes held after them than before them, per request.
    """

    latencies_ms: tuple[float, ...]
    wrong_answers: tuple[str, ...]
    memory_growth_kib: float


def time_requests(trial: BentoOnTrial, queries: Sequence[KnownQuery], count: int) -> TimedRequests:
    """Time ``count`` requests, one after another, after a tenth as many to warm up.

    Each answer is compared outside of its time: a release that breaks off now and then, and falls back, is seen.

    Args:
        trial: The Bento, whose clock stands where the queries are asked.
        queries: Asked by turns.
        count: Of the timed requests.
    """
    measured, wrong, before = [], [], 0.0
    for number in range(-(count // 10), count):
        if number == 0:
            before = trial.measure_memory()
        query = queries[number % len(queries)]
        started = time.perf_counter()
        status, answer = trial.ask(
            "POST", "/v1/recommendations", {"user_id": query.user_id, "k": len(query.expected)}
        )
        if status != 200:
            raise RehearsalError(f"user {query.user_id}: status {status} while timing")
        seconds = time.perf_counter() - started
        if number >= 0:
            measured.append(seconds * 1000)
        if trouble := difference(query, answer):
            wrong.append(f"asked again, {trouble}")
        if number % 50 == 0:
            trial.measure_memory()
    return TimedRequests(tuple(measured), tuple(wrong), (trial.measure_memory() - before) * 1024 / count)


def still_shown(trial: BentoOnTrial, query: KnownQuery) -> tuple[str, ...]:
    """Hide the best item of a known answer, and say which lists hold it all the same; it is shown again afterwards."""
    (hidden, _), *others = query.expected
    put, asked = f"/v1/items/{quote(hidden, safe='')}", {"user_id": query.user_id, "k": len(query.expected)}
    beside = others[0][0] if others else hidden
    status, said = trial.ask("PUT", put, {"hidden": True})
    if status != 200:
        return (f"item {hidden} could not be hidden: status {status}, {said.get('message')}",)
    lists: dict[str, dict[str, Any]] = {
        "/v1/recommendations": asked,
        "/v1/new-arrivals": asked,
        "/v1/rank": {"user_id": query.user_id, "items": [hidden, beside]},
        "/v1/similar-items": {"item_id": beside, "k": 10},
        "/v1/complements": {"items": [beside], "k": 10},
    }
    found = []
    for path, body in lists.items():
        status, answer = trial.ask("POST", path, body)
        if status != 200:
            found.append(f"{path} answered with status {status} once item {hidden} was hidden")
        elif hidden in [item["item_id"] for item in answer["items"]]:
            found.append(f"{path} shows item {hidden}, which is hidden")
    trial.ask("PUT", put, {})
    return tuple(found)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on at this moment, all different."""
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
