"""What Prometheus scrapes from the data plane."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.processes import METRICS_FOLDER

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


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

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format, of all processes that answer on the port."""
        if not os.environ.get(METRICS_FOLDER):
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)
