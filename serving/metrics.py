"""What Prometheus scrapes from the data plane."""

import math
import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.processes import METRICS_FOLDER
from serving.state import Progress, ShopperState, StateError

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
AS_READ: Final = "livemostrecent"
"""Of several processes, the one that read it last: it is read when it is asked for."""


class Waiting(Protocol):
    """A log that is written behind the answers."""

    @property
    def waiting(self) -> int:
        """How much of it is not on disk yet."""


class Metrics:
    """Counters; no user or item ever becomes a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "shoploop_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "shoploop_request_seconds", "Time to answer.", ["route"], buckets=BUCKETS, registry=self.registry
        )
        self.answers = Counter(
            "shoploop_answers", "Ranked lists by step of the fallback chain.", ["source", "variant"],
            registry=self.registry,
        )  # fmt: skip
        self.answer_seconds = Histogram(
            "shoploop_answer_seconds",
            "Time to answer with a list, by scenario, step of the fallback chain and variant.",
            ["route", "source", "variant"], buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.mirrored = Counter(
            "shoploop_mirrored",
            "Questions that a candidate was asked as well, by what came of it.",
            ["outcome"],
            registry=self.registry,
        )
        self.mirrored_seconds = Histogram(
            "shoploop_mirrored_seconds",
            "Time that a candidate took to answer such a question.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.mirrored_alike = Counter(
            "shoploop_mirrored_alike",
            "Of each list's first ten, the share that a candidate has among its first ten, summed up.",
            registry=self.registry,
        )
        self.shed = Counter(
            "shoploop_shed", "Requests for lists refused since too many waited.", ["route"],
            registry=self.registry,
        )  # fmt: skip
        self.events = Counter("shoploop_events", "Posted events.", ["result"], registry=self.registry)
        self.state_errors = Counter(
            "shoploop_state_errors", "Answers given without the shopper's history.", registry=self.registry
        )
        self.impressions_lost = Gauge(
            "shoploop_impressions_lost", "Impressions not logged.", registry=self.registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.served_features_lost = Gauge(
            "shoploop_served_features_lost",
            "Rows missing in the log of served features.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.ready = Gauge(
            "shoploop_ready", "1 when a model is loaded.", registry=self.registry, multiprocess_mode="livemin"
        )
        self.release = Info("shoploop_release", "What answers here.", registry=self.registry)
        self._make_gauges()

    def _make_gauges(self) -> None:
        """What is read when it is asked for."""
        gauge = partial(Gauge, registry=self.registry, multiprocess_mode=AS_READ)
        self.model_age = gauge(
            "shoploop_model_age_seconds",
            "Shop time since the end of the data that the model was fitted on.",
        )
        self.state_readable = gauge("shoploop_state_readable", "1 when the shoppers' state could be read.")
        self.state_age = gauge(
            "shoploop_state_age_seconds", "Shop time since the newest histories of landed data were made."
        )
        self.state_behind = gauge(
            "shoploop_state_events_behind",
            "Posted events that the newest histories do not reckon with as landed or refused.",
        )
        self.log_waiting = gauge("shoploop_log_waiting", "Writes that are not on disk yet.", ["log"])

    def note_ages(self, now: int, manifest: Mapping[str, Any], progress: Progress | None) -> None:
        """Say how old model and state are; what is not known is NaN.

        Args:
            now: On the shop's clock, microseconds since the epoch (UTC).
            manifest: Of the model, empty without one.
            progress: Of the state, None where it cannot be read.
        """
        self.model_age.set(_seconds_since(manifest.get("fitted_through_us"), now))
        self.state_readable.set(progress is not None)
        self.state_age.set(_seconds_since(progress.landed_at_us if progress else None, now))
        self.state_behind.set(progress.behind if progress else math.nan)

    def note_release(self, release: str, variant: str, bundle_sha256: str) -> None:
        """Say what answers."""
        self.release.info({"release": release, "variant": variant, "bundle_sha256": bundle_sha256})

    def note_logs(self, **logs: Waiting) -> None:
        """Say how much waits to be written, by log."""
        for name, log in logs.items():
            self.log_waiting.labels(name).set(log.waiting)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format, of all processes that answer on the port."""
        if not os.environ.get(METRICS_FOLDER):
            return generate_latest(self.registry)
        everybody, facts = CollectorRegistry(), CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        facts.register(self.release)  # it is no number, and the files hold nothing else
        return generate_latest(everybody) + generate_latest(facts)


def read_progress(state: ShopperState) -> Progress | None:
    """How far landing has come, None where the state cannot be read."""
    try:
        return state.progress()
    except (StateError, ValueError):
        return None


def _seconds_since(moment: int | None, now: int) -> float:
    return max(now - moment, 0) / 1e6 if moment else math.nan
