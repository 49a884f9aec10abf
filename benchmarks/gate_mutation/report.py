"""The report in the common form of all benchmarks, its goals and its catch table."""

from collections.abc import Sequence
from typing import Any

from benchmarks.heading import heading

Row = dict[str, Any]
CONFIDENCE = 0.95


def report(
    sabotages: Sequence[Row], honest: Sequence[Row], data: Row, changed: Row, unfinished: Sequence[str]
) -> Row:
    """What was caught, and how often an honest training was refused.

    Args:
        sabotages: Of each one that was carried out.
        honest: Of each honest training.
        data: What it was measured on.
        changed: Parameters that differ from ``params.yaml``, by dotted key.
        unfinished: What there was no time for.
    """
    results = [rate("caught", half, rows, is_caught) for half, rows in _halves(sabotages).items() if rows]
    results += [rate("false_alarms", "honest", honest, is_refused)] if honest else []
    return heading("gate_mutation", data) | {
        "parameters": changed,
        "results": results,
        "sabotages": [_without_basis(row) for row in sabotages],
        "honest": [_without_basis(row) for row in honest],
        "unfinished": list(unfinished),
        "resources": [
            {"system": row["name"], "seconds": row["total_seconds"], "seconds_by_stage": row["seconds"]}
            for row in (*honest, *sabotages)
        ],
        "goals": goals(sabotages, honest),
    }


def _halves(sabotages: Sequence[Row]) -> dict[str, list[Row]]:
    halves = {half: [row for row in sabotages if row["half"] == half] for half in ("developed", "unseen")}
    return halves | {"all": list(sabotages)}


def _without_basis(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in ("made_of", "seconds")}


def is_caught(row: Row) -> bool:
    """Whether a check caught it that the honest workspace passes."""
    return bool(row["caught_by"])


def is_refused(row: Row) -> bool:
    """Whether an honest training does not pass."""
    return bool(row["verdict"] != "PASS")


def rate(metric: str, system: str, rows: Sequence[Row], is_so: Any) -> Row:
    """A share with its exact interval (Clopper and Pearson, Biometrika 1934)."""
    from scipy.stats import binomtest

    count = sum(map(is_so, rows))
    ends = binomtest(count, len(rows)).proportion_ci(CONFIDENCE, method="exact")
    ends = {"low": round(float(ends.low), 6), "high": round(float(ends.high), 6)}
    about = {"system": system, "split": "test", "metric": metric, "seeds": 1}
    return about | {"value": round(count / len(rows), 6), **ends, "count": count, "of": len(rows)}


def goals(sabotages: Sequence[Row], honest: Sequence[Row]) -> list[Row]:
    """All are caught; no honest training is refused."""
    caught, refused = sum(map(is_caught, sabotages)), sum(map(is_refused, honest))
    return [
        {
            "goal": f"all sabotages are caught: {caught} of {len(sabotages)}",
            "met": bool(sabotages) and caught == len(sabotages),
        },
        {
            "goal": f"no honest training is refused: {refused} of {len(honest)} were",
            "met": bool(honest) and refused == 0,
        },
    ]


def table(whole: Row) -> str:
    """Markdown: a line a sabotage."""
    lines = ["| sabotage | kind | half | caught by | verdict |", "| --- | --- | --- | --- | --- |"]
    for row in whole["sabotages"]:
        named = ", ".join(row["caught_by"][:3]) + (", …" if len(row["caught_by"]) > 3 else "")
        cells = (row["name"], row["kind"], row["half"], named or "**nothing**", row["verdict"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
