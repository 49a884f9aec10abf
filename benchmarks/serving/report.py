"""What the load tests say together: rows in the common form, and the goals."""

import math
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.serving.systems import BENTOML, BENTOML_THREADS, PLANE, ROUTED
from pipelines.load_test.driver import Seen
from pipelines.load_test.findings import findings

MODEL, ECHO = "model", "echo"
FIGURES = ("p50_ms", "p90_ms", "p99_ms", "max_ms")
P90_GOAL_MS, P99_GOAL_MS = 7.0, 20.0
TIMES, TIMES_WITHOUT_MODEL = 3.0, 5.0

Row = dict[str, Any]


@dataclass
class Measured:
    """All runs of one benchmark.

    Attributes:
        rate: The fixed rate of the goals, requests a second.
        fastest: As fast as answers come: by split (with the model, without its work) and system, a run a round.
        fixed: At a fixed rate, by rate and system.
    """

    rate: float
    fastest: dict[tuple[str, str], list[Seen]] = field(default_factory=dict)
    fixed: dict[tuple[float, str], Seen] = field(default_factory=dict)

    def per_second(self, split: str, system: str) -> float:
        """Median of the rounds."""
        return statistics.median(float(findings(seen)["per_second"]) for seen in self.fastest[split, system])

    def peer(self, split: str) -> str:
        """The faster of the two ways to write the plain service."""
        return max((BENTOML, BENTOML_THREADS), key=lambda system: self.per_second(split, system))


def report(measured: Measured, data: Row) -> Row:
    """The common form of a benchmark's report."""
    return {
        "benchmark": "serving",
        "command": " ".join(["python -m benchmarks.serving", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "data": data,
        "results": _rows(measured),
        "resources": [
            {
                "system": "load",
                "split": f"{system}, {rate:g} a second",
                "cpu_share": findings(seen)["load_cpu_share"],
                "sent_late_p99_ms": findings(seen)["sent_late_p99_ms"],
                "seconds": findings(seen)["seconds"],
            }
            for (rate, system), seen in measured.fixed.items()
        ],
        "goals": goals(measured),
    }


def _rows(measured: Measured) -> list[Row]:
    rows: list[Row] = []
    for (split, system), runs in measured.fastest.items():
        found = [findings(seen) for seen in runs]
        rows.append(_row(system, split, "per_second", [one["per_second"] for one in found]))
        rows.append(_row(system, split, "failed_requests", [sum(one["errors"].values()) for one in found]))
    for (rate, system), seen in measured.fixed.items():
        found_one, split = findings(seen), f"{rate:g} a second"
        rows.append(_row(system, split, "per_second", [found_one["per_second"]]))
        rows.append(_row(system, split, "failed_requests", [seen.errors.total()]))
        rows += [_row(system, split, name, [found_one[name]]) for name in FIGURES if seen.milliseconds]
    return rows


def _row(system: str, split: str, metric: str, values: Sequence[float]) -> Row:
    found = {"value": statistics.median(values), "low": min(values), "high": max(values)}
    return {"system": system, "split": split, "metric": metric, **found}


def goals(measured: Measured) -> list[Row]:
    """Each with what was reached."""
    seen = measured.fixed[measured.rate, ROUTED]
    found, at = findings(seen), f"of {ROUTED} at {measured.rate:g} a second"
    listed = [
        _goal(f"failed requests {at} == 0", seen.errors.total(), not seen.errors and bool(seen.milliseconds)),
        *(
            _goal(f"{name} {at} < {limit:g}", found[name], (found[name] or math.inf) < limit)
            for name, limit in (("p90_ms", P90_GOAL_MS), ("p99_ms", P99_GOAL_MS))
        ),
    ]
    for split, limit in ((MODEL, TIMES), (ECHO, TIMES_WITHOUT_MODEL)):
        peer = measured.peer(split)
        for system in (PLANE, ROUTED):
            times = round(measured.per_second(split, system) / measured.per_second(split, peer), 2)
            named = f"requests a second of {system} / {peer}"
            named += "" if split == MODEL else ", the model's work left out of both,"
            listed.append(_goal(f"{named} >= {limit:g}", times, times >= limit))
    return listed


def _goal(goal: str, value: float | None, met: bool) -> Row:
    return {"goal": goal, "value": value, "met": met}


def draw(measured: Measured, file: Path) -> None:
    """Requests a second, and latencies at the fixed rates."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (fastest, latency) = pyplot.subplots(1, 2, figsize=(10.5, 3.8))
    for offset, split in ((-0.2, MODEL), (0.2, ECHO)):
        systems = [system for of, system in measured.fastest if of == split]
        places = [place + offset for place in range(len(systems))]
        fastest.bar(places, [measured.per_second(split, name) for name in systems], 0.4, label=split)
        fastest.set_xticks(range(len(systems)), systems, rotation=12, fontsize=8)
    fastest.set(ylabel="requests a second", yscale="log")
    fastest.legend()
    for (rate, system), seen in measured.fixed.items():
        ordered = sorted(seen.milliseconds)
        shares = [1 - place / len(ordered) for place in range(len(ordered))]
        latency.plot(ordered, shares, label=f"{system}, {rate:g} a second")
    latency.set(xscale="log", yscale="log", xlabel="ms", ylabel="share of good answers that took longer")
    latency.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
