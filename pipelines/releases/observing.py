"""What is counted of a candidate and of the live release during a step, from their own metrics and the shop's logs."""

import http.client
import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from pipelines.params import ParamsError
from pipelines.releases.bento import LOOPBACK
from pipelines.releases.judge import Arm, Observed
from pipelines.releases.records import Step
from pipelines.releases.status import EndpointStatus, ReleaseStatus, read_status
from pipelines.releases.stepping import SHADOW
from pipelines.settings import Settings
from serving.state import ShopperState, StateError
from serving.stores import open_state

ROUTE = "/v1/recommendations"
SHOWN = "SELECT DISTINCT user_id FROM impressions WHERE seq > ? AND release = ? AND user_id IS NOT NULL"
LINES = 5000  # of the event log, read at once


class NotObserved(Exception):  # noqa: N818
    """A release could not be asked for its counts; the message says which. Ask again."""


@dataclass(frozen=True)
class Counters:
    """What one process has counted since it started.

    Attributes:
        pid: Of the process: one that was started anew counts from zero.
        restarts: How often the endpoint had to start it again.
        requests: Answered recommendations.
        errors: Answers with a status of 500 or more.
        slow: Answers that took longer than a bound.
    """

    pid: int
    restarts: int
    requests: int
    errors: int
    slow: int


@dataclass(frozen=True)
class Mirrored:
    """What a live release has counted of the questions that it asked a candidate as well.

    Attributes:
        compared: Answered with a list as long as its own.
        shorter: Answered with a shorter one.
        failed: Not answered, not in time, or with an error.
        slow: Answered, but it took longer than a bound.
        alike: Sum over the answers of the share that both first tens have in common.
    """

    compared: int = 0
    shorter: int = 0
    failed: int = 0
    slow: int = 0
    alike: float = 0.0

    def since(self, before: "Mirrored") -> "Mirrored":
        """What was counted since ``before``."""
        return Mirrored(
            self.compared - before.compared,
            self.shorter - before.shorter,
            self.failed - before.failed,
            self.slow - before.slow,
            self.alike - before.alike,
        )


@dataclass(frozen=True)
class Baseline:
    """All counters at one moment.

    Attributes:
        canary: Of the candidate.
        control: Of the live release.
        impressions: Last row of the impression log.
        events: Last row of the event log.
        mirrored: Of the live release.
    """

    canary: Counters
    control: Counters
    impressions: int
    events: int
    mirrored: Mirrored = Mirrored()

    def to_json(self) -> str:
        """As text, for the ledger."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Baseline":
        """The inverse of `to_json`."""
        read = json.loads(text)
        canary, control = (Counters(**read.pop(name)) for name in ("canary", "control"))
        mirrored = Mirrored(**read.pop("mirrored", {}))
        return cls(canary, control, **read, mirrored=mirrored)


def take_baseline(settings: Settings, candidate: str, live: str, slow_seconds: float) -> Baseline:
    """The counters of both releases now.

    Raises:
        EndpointDown: No supervisor runs.
        NotObserved: One of them, or the event log, does not answer.
    """
    status = read_status(settings)
    (canary, _), (control, mirrored) = (_counters(status, name, slow_seconds) for name in (candidate, live))
    impressions = settings.state_file.with_name("impressions.db")
    with _opened_state(settings) as state:
        return Baseline(canary, control, _last_row(impressions), state.posted_through(), mirrored)


def observe(settings: Settings, step: Step, slow_seconds: float, now: datetime) -> Observed:
    """What was counted in a step so far; raises what `take_baseline` raises.

    Args:
        settings: Of this installation.
        step: With the counters at its beginning.
        slow_seconds: One of the bounds of the data plane's histogram.
        now: By the clock that the ledger uses.
    """
    before = Baseline.from_json(step.baseline)
    after = take_baseline(settings, step.release_id, step.live_release_id, slow_seconds)
    canary, control = (
        replace(_arm(then, current), **_outcomes(settings, before, release_id))
        for then, current, release_id in (
            (before.canary, after.canary, step.release_id),
            (before.control, after.control, step.live_release_id),
        )
    )
    crashes = max(0, after.canary.restarts - before.canary.restarts)
    seconds = max(0.0, (now - step.taken_at).total_seconds())
    if step.kind != SHADOW:
        return Observed(canary, control, crashes, seconds)
    earlier = before.mirrored if before.control.pid == after.control.pid else Mirrored()
    found = after.mirrored.since(earlier)
    answered = found.compared + found.shorter
    shadow = Arm(answered + found.failed, found.shorter + found.failed, found.slow)
    return Observed(shadow, control, crashes, seconds, found.alike / max(answered, 1))


def _arm(before: Counters, after: Counters) -> Arm:
    if before.pid != after.pid:
        before = replace(before, requests=0, errors=0, slow=0)
    return Arm(
        after.requests - before.requests, after.errors - before.errors, max(0, after.slow - before.slow)
    )


def _counters(status: EndpointStatus, release_id: str, slow_seconds: float) -> tuple[Counters, Mirrored]:
    found = status.releases.get(release_id, ReleaseStatus("unknown"))
    if found.port is None or found.pid is None or found.state not in ("ready", "live"):
        raise NotObserved(
            f"{release_id} is {found.state} and has no counts now: {found.reason or 'ask again'}"
        )
    try:
        text = _metrics(found.port)
    except (OSError, http.client.HTTPException) as error:
        raise NotObserved(f"{release_id} does not tell its counts on port {found.port}: {error}") from error
    return read_counters(text, found.pid, found.restarts, slow_seconds), read_mirrored(text, slow_seconds)


def read_counters(text: str, pid: int, restarts: int, slow_seconds: float) -> Counters:
    """Counters of an exposition in Prometheus' text format.

    Raises:
        ParamsError: The histogram has no bound of ``slow_seconds``.
    """
    requests = errors = timed = 0
    within: dict[float, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("route") != ROUTE:
                continue
            if sample.name == "shoploop_requests_total":
                requests += int(sample.value)
                errors += int(sample.value) * (int(sample.labels["status"]) >= 500)
            elif sample.name == "shoploop_request_seconds_bucket":
                within[float(sample.labels["le"])] = int(sample.value)
            elif sample.name == "shoploop_request_seconds_count":
                timed = int(sample.value)
    if timed and slow_seconds not in within:
        bounds = ", ".join(f"{bound:g}" for bound in sorted(within) if math.isfinite(bound))
        raise ParamsError(
            f"params.yaml: advance_release.slow_seconds: expected a bound by which answers are counted ({bounds}), "
            f"found {slow_seconds:g}; change it, then clear release_model"
        )
    return Counters(pid, restarts, requests, errors, timed - within.get(slow_seconds, 0))


def read_mirrored(text: str, slow_seconds: float) -> Mirrored:
    """What an exposition in Prometheus' text format says of questions that a candidate was asked as well."""
    counts: dict[str, int] = {}
    alike, timed, quick = 0.0, 0, 0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "shoploop_mirrored_total":
                counts[sample.labels["outcome"]] = int(sample.value)
            elif sample.name == "shoploop_mirrored_alike_total":
                alike = float(sample.value)
            elif sample.name == "shoploop_mirrored_seconds_count":
                timed = int(sample.value)
            elif (
                sample.name == "shoploop_mirrored_seconds_bucket"
                and float(sample.labels["le"]) == slow_seconds
            ):
                quick = int(sample.value)
    told = {name: counts.get(name, 0) for name in ("compared", "shorter", "failed")}
    return Mirrored(**told, slow=timed - quick, alike=alike)


def _metrics(port: int) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        if answer.status != 200:
            raise http.client.HTTPException(f"/metrics answers {answer.status}")
        return answer.read().decode()
    finally:
        connection.close()


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5)


def _last_row(impressions: Path) -> int:
    if not impressions.exists():
        return 0
    with closing(_reading(impressions)) as connection:
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM impressions").fetchone()[0])


def _outcomes(settings: Settings, since: Baseline, release_id: str) -> dict[str, int]:
    """How many shoppers a release was shown to in the step, and how many of them bought in it."""
    impressions = settings.state_file.with_name("impressions.db")
    if not impressions.exists():
        return {}
    with closing(_reading(impressions)) as connection:
        shown = {row[0] for row in connection.execute(SHOWN, (since.impressions, release_id))}
    with _opened_state(settings) as state:
        bought = set(_buyers(state, since.events))
    return {"shoppers": len(shown), "buyers": len(shown & bought)}


@contextmanager
def _opened_state(settings: Settings) -> Iterator[ShopperState]:
    with closing(open_state(settings.state_url, settings.state_file)) as state:
        try:
            yield state
        except StateError as error:
            raise NotObserved(f"what was bought is not known now: {error}") from error


def _buyers(state: ShopperState, after: int) -> Iterator[str]:
    while rows := state.posted(after, LINES):
        for event in (json.loads(row.body) for row in rows):
            if event["event_type"] == "purchase":
                yield event["user_id"]
        after = rows[-1].seq
