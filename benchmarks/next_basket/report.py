"""The report in the common form of all benchmarks, its goals and its table."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.next_basket import tifu
from benchmarks.next_basket.figures import METRICS, Row, comparison_rows, pool, result_rows, week_rows
from benchmarks.next_basket.weeks import Measured
from benchmarks.sequences.report import machine
from pipelines.ranking.blended import BLEND

DECAYED = ("personal_frequency_95", "personal_frequency_decayed")
NEW = "new_only_ndcg_at_10"
GAIN, TIMES = 0.06, 1.8


def report(measured: Sequence[Measured], tables: str, data: str) -> dict[str, Any]:
    """What was measured, and which goals were met.

    Args:
        measured: Of each week.
        tables: Where they are.
        data: Hash of them.
    """
    pooled = pool([(one.week, one.rows) for one in measured])
    results, comparisons = result_rows(pooled), comparison_rows(pooled, BLEND)
    return {
        "benchmark": "next_basket",
        "command": " ".join(["python -m benchmarks.next_basket", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": {
            "name": "Complete Journey",
            "path": tables,
            "sha256": data,
            "weeks": [one.week for one in measured],
            "targets_sha256": {str(one.week): one.facts["targets_sha256"] for one in measured},
            "households": int(pooled["user_id"].nunique()),
            "household_weeks": len(pooled[["user_id", "week"]].drop_duplicates()),
        },
        "protocol": {
            "ties": "pessimistic",
            "catalog": "full",
            "made_of": sorted({one.facts["made_of"] for one in measured}),
        },
        "results": results,
        "comparisons": comparisons,
        "weeks": week_rows(pooled),
        "choices": {str(one.week): one.facts[tifu.NAME] for one in measured},
        "blends": {str(one.week): one.facts["blends"] for one in measured},
        "resources": [
            {"system": "product and peer", "week": one.week, "seconds": round(sum(seconds.values()), 1)}
            | {"seconds_by_stage": seconds}
            for one in measured
            for seconds in [one.facts["seconds"]]
        ],
        "goals": goals(results, comparisons),
    }


def goals(results: Sequence[Row], comparisons: Sequence[Row]) -> list[Row]:
    """The blend ahead of decayed personal frequency and of TIFU-kNN, and on new items of popularity."""
    values = {(row["system"], row["metric"]): row["value"] for row in results}
    best = max(DECAYED, key=lambda name: values[name, "ndcg_at_10"])
    ahead = {
        row["system"].removeprefix(f"{BLEND} less "): row
        for row in comparisons
        if row["metric"] == "ndcg_at_10"
    }
    gain, peer = ahead[best], ahead[tifu.NAME]
    ours, popular = values[BLEND, NEW], values["popularity", NEW]
    times = ours / popular if popular else 0.0
    return [
        {
            "goal": f"ndcg_at_10 of the blend at least {GAIN:.0%} above {best}, the better one of decayed personal "
            f"frequency, with an interval above zero: {gain['relative']:+.1%}, {_span(gain)}",
            "met": gain["relative"] >= GAIN and gain["low"] > 0,
        },
        {
            "goal": f"ndcg_at_10 of the blend above {tifu.NAME} with an interval above zero: "
            f"{peer['relative']:+.1%}, {_span(peer)}",
            "met": peer["low"] > 0,
        },
        {
            "goal": f"{NEW} of the blend at least {TIMES:g} times that of popularity: {times:.2f} times "
            f"({ours:.4f} and {popular:.4f})",
            "met": times >= TIMES,
        },
    ]


def table(whole: dict[str, Any]) -> str:
    """Markdown: a line a system, the best one first."""
    found = {(row["system"], row["metric"]): row for row in whole["results"]}
    systems = sorted(
        {name for name, _ in found}, key=lambda name: (-found[name, "ndcg_at_10"]["value"], name)
    )
    head = ["system", "all items", "repeats", "new items", "list of new items only"]
    body = [[name, *(_cell(found[name, metric]) for metric in METRICS)] for name in systems]
    return markdown([head, *body])


def weekly(whole: dict[str, Any], metric: str) -> str:
    """Markdown: a line a system, a column a week."""
    found = {(row["system"], row["week"]): row[metric] for row in whole["weeks"]}
    weeks = whole["data"]["weeks"]
    sums = {name: sum(found[name, week] for week in weeks) for name, _ in found}
    order = sorted(sums, key=lambda name: (-sums[name], name))
    head = ["system", *(f"week {week}" for week in weeks)]
    return markdown([head, *([name, *(f"{found[name, week]:.4f}" for week in weeks)] for name in order)])


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, its first row the head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: Row) -> str:
    return f"{row['value']:.4f} ({row['low']:.4f} to {row['high']:.4f})"


def _span(row: Row) -> str:
    return f"{row['value']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
