"""One release kept running: its process, whether it answers, and when to start it again."""

import http.client
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.releases.caddy import tail
from pipelines.releases.children import MARK, Child
from pipelines.releases.records import Release
from pipelines.releases.status import ReleaseStatus, write_atomically

LOOPBACK = "127.0.0.1"
TLS = ("SHOPLOOP_TLS_CERT", "SHOPLOOP_TLS_KEY")
MODEL_NOT_LOADED = "model_not_loaded"
NOBODY_LISTENS = "nobody listens on its port"
CANDIDATE_ATTEMPTS = 2
PROBE_SECONDS = 0.5
MISSED_PROBES = 6
BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
END_SECONDS = 20.0
STEADY_SECONDS = 60.0


@dataclass(frozen=True)
class Surroundings:
    """What a release's process is given.

    Attributes:
        folder: Of the endpoint; logs go to ``<folder>/logs/<release id>.log``.
        environment: Base environment of every process of the endpoint.
        command: Words of the command; ``{bento_path}``, ``{data_port}`` and ``{bento_port}`` are filled in.
        store: BentoML's.
        state_file: Shopper state that all releases share.
        clock_file: The recorded shop clock.
        start_seconds: How long a start may take until it counts as failed.
    """

    folder: Path
    environment: Mapping[str, str]
    command: tuple[str, ...]
    store: Path
    state_file: Path
    clock_file: Path
    start_seconds: float


def bento_command() -> tuple[str, ...]:
    """How a Bento is served: BentoML owns the life cycle, the Bento's own command starts the data plane."""
    return (
        *(sys.executable, "-m", "bentoml", "serve", "{bento_path}"),
        *("--host", LOOPBACK, "--port", "{bento_port}"),
    )


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


class Unusable(Exception):  # noqa: N818
    """The data plane says that it will never be ready; the message is its own."""


def answers_as(port: int, release_id: str, timeout: float = 0.5) -> str:
    """Ask a data plane whether it is ready and who it is; ``""`` when all is well, else what is not.

    Raises:
        Unusable: It runs, but its model cannot be used: waiting will not help.
    """
    try:
        code, told = _get(port, "/readyz", timeout)
        if told.get("error") == MODEL_NOT_LOADED:
            raise Unusable(str(told.get("message", "")))
        if code != 200:
            return f"/readyz answers {code}"
        _, told = _get(port, "/v1/release", timeout)
    except ConnectionRefusedError:
        return NOBODY_LISTENS
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"no answer on port {port}: {error or type(error).__name__}"
    named = told.get("release")
    return "" if named == release_id else f"/v1/release says {named!r}, not {release_id!r}"


def _get(port: int, path: str, timeout: float) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read() or b"{}")
        return answer.status, body if isinstance(body, dict) else {}
    finally:
        connection.close()


class RunningBento:
    """A release's process under care.

    Invariants:
        ``is_ready`` only after its own ``/v1/release`` named it.
        Its data-plane port stays the same over restarts while nobody else takes it, so that requests
        Caddy holds meanwhile are answered.
    """

    def __init__(
        self, release: Release, surroundings: Surroundings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.release = release
        self.surroundings = surroundings
        self.clock = clock
        self.port = free_port()
        self.child: Child | None = None
        self.is_ready = False
        self.has_given_up = False
        self.reason = self.variant = ""
        self.mirrored: str | None = None
        self.starts = 0
        self.failures = 0
        self.missed = 0
        self.requested_at = ""
        self.ready_after: float | None = None
        self._started = self._ready_since = self._probe_at = self._start_at = 0.0
        self._end_by: float | None = None

    @property
    def address(self) -> str:
        """Where its data plane answers."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def has_ended(self) -> bool:
        """It was asked to end and nothing of it is left."""
        return self._end_by is not None and self.child is None

    def step(self, may_give_up: bool) -> None:
        """Do what is due now: start, probe, notice a crash, start again.

        Args:
            may_give_up: A release that is not needed for serving is given up after two attempts;
                a live or previous one is started again for ever, ever more slowly.
        """
        if self._end_by is not None:
            self._finish_ending()
        elif self.child is None:
            self._start_if_due(may_give_up)
        elif (code := self.child.exit_code) is not None:
            self._failed(f"its process ended with {_exit_words(code)}")
        else:
            self._probe_if_due()

    def _start_if_due(self, may_give_up: bool) -> None:
        self.has_given_up = may_give_up and self.failures >= CANDIDATE_ATTEMPTS
        if self.has_given_up or self.clock() < self._start_at:
            return
        if not _is_free(self.port):
            self.port = free_port()
        self.starts += 1
        self._started = self._probe_at = self.clock()
        folder = self.surroundings.folder / "logs"
        folder.mkdir(exist_ok=True)
        try:
            with self.log_file.open("ab") as log:
                self.child = Child(self._argv(), self._environment(), folder, log)
        except OSError as error:
            self._failed(f"it cannot be started: {error}")

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self.surroundings.folder / "logs" / f"{self.release.release_id}.log"

    @property
    def variant_file(self) -> Path:
        """Which arm of an experiment it is, in a word: ``champion``, ``control`` or ``canary``."""
        return self.surroundings.folder / "variants" / self.release.release_id

    def call_it(self, variant: str) -> None:
        """Have its answers say this from now on."""
        if self.variant != variant:
            self.variant_file.parent.mkdir(exist_ok=True)
            write_atomically(self.variant_file, variant)
            self.variant = variant

    @property
    def mirror_file(self) -> Path:
        """Where the address of a candidate stands that it asks what it is asked itself."""
        return self.surroundings.folder / "mirrors" / self.release.release_id

    def mirror_to(self, address: str) -> None:
        """Have it ask a candidate the same from now on; with an empty address nobody."""
        if self.mirrored != address:
            self.mirror_file.parent.mkdir(exist_ok=True)
            write_atomically(self.mirror_file, address)
            self.mirrored = address

    def _argv(self) -> list[str]:
        values = {
            "bento_path": str(self.release.bento_folder(self.surroundings.store)),
            "data_port": str(self.port),
            "bento_port": str(free_port()),
        }
        return [word.format(**values) for word in self.surroundings.command]

    def _environment(self) -> dict[str, str]:
        given = self.surroundings
        return dict(given.environment) | {
            MARK: str(given.folder),
            "SHOPLOOP_DATA_HOST": LOOPBACK,
            "SHOPLOOP_DATA_PORT": str(self.port),
            "SHOPLOOP_STATE_FILE": str(given.state_file),
            "SHOPLOOP_RELEASE_ID": self.release.release_id,
            "SHOPLOOP_VARIANT": "champion",
            "SHOPLOOP_VARIANT_FILE": str(self.variant_file),
            "SHOPLOOP_MIRROR_FILE": str(self.mirror_file),
            # Before the first landing there is no clock file yet, and naming it would be an error.
            **({"SHOPLOOP_CLOCK_FILE": str(given.clock_file)} if given.clock_file.exists() else {}),
        }

    def _probe_if_due(self) -> None:
        if self.clock() < self._probe_at:
            return
        try:
            wrong = answers_as(self.port, self.release.release_id)
        except Unusable as error:
            self._failed(f"it cannot be used: {error}", for_good=True)
            return
        self._probe_at = self.clock() + (PROBE_SECONDS if self.is_ready else 0.1)
        if not wrong:
            self._answered()
        elif self.is_ready:
            self.missed += 1
            # BentoML outlives its data plane and does not start it again: a closed port is a crash.
            if self.missed >= MISSED_PROBES or wrong == NOBODY_LISTENS:
                self._failed(f"it stopped answering: {wrong}")
        elif self.clock() - self._started > self.surroundings.start_seconds:
            waited = self.surroundings.start_seconds
            self._failed(f"it was not ready within {waited:.0f} s: {wrong}", for_good=True)

    def _answered(self) -> None:
        self.missed = 0
        if not self.is_ready:
            self.is_ready, self.reason = True, ""
            self._ready_since = self.clock()
            self.ready_after = round(self._ready_since - self._started, 3)
        elif self.clock() - self._ready_since > STEADY_SECONDS:
            self.failures = 0

    def _failed(self, why: str, for_good: bool = False) -> None:
        if self.child is not None:
            self.child.kill()
        # The last words often name the broken file: whoever reads the refusal should not need the log.
        self.reason = f"{why}. Last words in {self.log_file}: {tail(self.log_file)}"
        self.child, self.is_ready, self.missed = None, False, 0
        self._start_at = self.clock() + BACKOFF_SECONDS[min(self.failures, len(BACKOFF_SECONDS) - 1)]
        self.failures += CANDIDATE_ATTEMPTS if for_good else 1

    def ask_anew(self, requested_at: str) -> None:
        """A newer request for its preparation takes back that it was given up."""
        if requested_at > self.requested_at:
            self.requested_at = requested_at
            if self.child is None:
                self.has_given_up, self.failures, self._start_at = False, 0, 0.0

    def end(self) -> None:
        """Ask it to end; `step` sees to it that it does."""
        if self._end_by is None:
            self._end_by = self.clock() + END_SECONDS
            self.is_ready = False
            if self.child is not None:
                self.child.ask_to_end()

    def _finish_ending(self) -> None:
        if self.child is None or self._end_by is None:
            return
        if self.child.exit_code is not None or self.clock() > self._end_by:
            self.child.kill()
            self.child = None

    def status(self, is_live: bool) -> ReleaseStatus:
        """What the status file says of it."""
        state = "failed" if self.child is None and self.failures >= CANDIDATE_ATTEMPTS else "starting"
        if self.is_ready:
            state = "live" if is_live else "ready"
        return ReleaseStatus(
            state=state,
            reason="" if self.is_ready else self.reason,
            pid=self.child.pid if self.child else None,
            port=self.port,
            restarts=max(0, self.starts - 1),
            requested_at=self.requested_at,
            ready_after_seconds=self.ready_after,
        )


def _exit_words(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def parse_command(text: str) -> tuple[str, ...]:
    """Words of a start command given on the command line."""
    return tuple(shlex.split(text))


def base_environment() -> dict[str, str]:
    """The supervisor's own environment, to which each process adds its part; TLS ends at Caddy."""
    return {name: value for name, value in os.environ.items() if name not in TLS}
