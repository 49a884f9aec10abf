"""What a load test says: rate, errors by kind, quantiles; and its picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.load_test.driver import Seen

PERCENTS = (50, 90, 99)


def quantile(values: Sequence[float], percent: float) -> float:
    """The least value that at least ``percent`` in a hundred are not above; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1] if ordered else math.nan


def findings(seen: Seen) -> dict[str, Any]:
    """All figures of a run, for JSON; latencies are those of good answers, in milliseconds."""
    answered = len(seen.milliseconds)
    return {
        "answered": answered,
        "per_second": round(answered / seen.seconds, 1) if seen.seconds else 0.0,
        "errors": dict(seen.errors),
        "sources": dict(seen.sources),
        **{f"p{percent}_ms": _rounded(quantile(seen.milliseconds, percent)) for percent in PERCENTS},
        "max_ms": _rounded(max(seen.milliseconds, default=math.nan)),
        "sent_late_p99_ms": _rounded(quantile(seen.late_milliseconds, 99)),
        "load_cpu_share": round(seen.cpu_seconds / seen.seconds, 3) if seen.seconds else 0.0,
        "seconds": round(seen.seconds, 3),
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)


def in_words(found: dict[str, Any]) -> str:
    """The figures for a person."""
    errors = ", ".join(f"{count} {kind}" for kind, count in sorted(found["errors"].items())) or "none"
    sources = ", ".join(f"{count} {source}" for source, count in sorted(found["sources"].items()) if source)
    lines = [
        ("rate", f"{found['per_second']} good answers a second, {found['answered']} in {found['seconds']} s"),
        ("errors", errors),
        *([("sources", sources)] if sources else []),
        *((name, f"{found[f'{name}_ms']} ms") for name in ("p50", "p90", "p99", "max")),
        (
            "load",
            f"{100 * found['load_cpu_share']:.0f} % of a core; 99 % sent within {found['sent_late_p99_ms']} ms",
        ),
    ]
    return "\n".join(f"{name:<8} {value}" for name, value in lines)


def draw(runs: dict[str, Seen], file: Path, title: str) -> None:
    """Latency of every answer by when it was due, and how many took how long."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (over_time, shares) = pyplot.subplots(1, 2, figsize=(10, 3.8))
    for name, seen in runs.items():
        ordered = sorted(seen.milliseconds)
        over_time.plot(seen.due, seen.milliseconds, ".", markersize=1, label=name)
        shares.plot(ordered, [1 - place / len(ordered) for place in range(len(ordered))], label=name)
    over_time.set(xlabel="s", ylabel="ms", yscale="log", title=title)
    shares.set(xscale="log", yscale="log", xlabel="ms", ylabel="share of answers that took longer")
    shares.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
