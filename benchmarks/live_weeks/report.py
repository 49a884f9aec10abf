"""The report in the common form of all benchmarks, and its goals."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from benchmarks.heading import heading
from benchmarks.live_weeks.load_log import ASK, LoadLog, quantile_ms, windows
from pipelines.commands.progress import FollowedRun

Row = dict[str, Any]
RELEASED, REFUSED, TAKEN_BACK, FAILED = "released", "refused", "taken back", "failed"
SHOWN_FAILURES = 20


def outcome_of(run: FollowedRun, last_step: Row | None) -> str:
    """What became of a week's candidate.

    Args:
        run: Its training.
        last_step: The last step that any candidate took since the run began, None when none was taken.
    """
    if run.state == "success":
        if run.took("finished"):
            return RELEASED
        return REFUSED if run.took("refused") or run.took("refused_package") else FAILED
    taken_back = "release_model" in run.failed and last_step is not None and last_step["step"] == "aborted"
    return TAKEN_BACK if taken_back else FAILED


def report(command: str, data: Row, weeks: Sequence[Row], log: LoadLog, record: Row, changed: Row) -> Row:
    """Everything that was seen.

    Args:
        command: How to do it again.
        data: What it was done on.
        weeks: A row a training.
        log: Of the load.
        record: What the ledger holds: ``moves``, ``steps``, ``verify``, ``history``.
        changed: Parameters that differ from ``params.yaml``, by dotted key.
    """
    asked = [one.seconds for one in log.requests if one.kind == ASK and not one.failed]
    figures = {
        "requests": len(log.requests),
        "purchases": sum(one.kind != ASK for one in log.requests),
        "failed_requests": len(log.failures),
        "p50_ms": quantile_ms(asked, 50),
        "p99_ms": quantile_ms(asked, 99),
    }
    figures |= {
        name.replace(" ", "_"): _count(weeks, name) for name in (RELEASED, REFUSED, TAKEN_BACK, FAILED)
    }
    return heading("live_weeks", data) | {
        "command": command,
        "parameters": changed,
        "results": [
            {"system": "shoploop", "split": "test", "metric": metric, "value": value}
            for metric, value in figures.items()
        ],
        "weeks": list(weeks),
        "failures": [asdict(one) for one in log.failures[:SHOWN_FAILURES]],
        "windows": [asdict(one) for one in windows(log.requests)],
        **record,
        "resources": [{"system": f"week {row['week']}", "seconds": row["seconds"]} for row in weeks],
        "goals": goals(weeks, log, record["verify"]),
    }


def goals(weeks: Sequence[Row], log: LoadLog, verified: Row) -> list[Row]:
    """What the weeks were to show."""
    struck = [row for row in weeks if row["outcome"] == TAKEN_BACK and row["struck"]]
    failed, refused = _count(weeks, FAILED), _count(weeks, REFUSED)
    lost = "the load was killed" if log.sent is None else f"{log.sent - len(log.requests)} are missing"
    return [
        {"goal": f"no request failed: {len(log.failures)} of {len(log.requests)} did",
         "met": bool(log.requests) and not log.failures},
        {"goal": f"every request that was sent is in the log: {lost}", "met": log.is_whole},
        {"goal": f"at least one candidate is refused by its gate: {refused}", "met": refused > 0},
        {"goal": f"at least one is taken back by itself after an injected fault: {len(struck)}", "met": bool(struck)},
        {"goal": f"each training ends with a verdict: {failed} did not", "met": bool(weeks) and not failed},
        {"goal": f"the ledger verifies: {len(verified['faults'])} faults in {verified['links']} rows",
         "met": bool(verified["links"]) and not verified["faults"]},
    ]  # fmt: skip


def _count(weeks: Sequence[Row], outcome: str) -> int:
    return sum(row["outcome"] == outcome for row in weeks)


def table(whole: Row) -> str:
    """Markdown: a line a week."""
    lines = [
        "| week | done to it | verdict | what became of it | steps | minutes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in whole["weeks"]:
        done = {True: "features mixed up"}.get(
            row["spoilt"], f"{row['struck']} killed" if row["struck"] else ""
        )
        taken = ", ".join(f"{step['step']} {step['share']:.0%}" for step in row["steps"])
        cells = (row["week"], done, row["verdict"], row["outcome"], taken, f"{row['seconds'] / 60:.1f}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def moment(text: str) -> float:
    """Seconds since the epoch of a moment as ``--json`` writes it: UTC where it names no zone."""
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def rows_since(rows: str, column: str, began: float) -> list[Row]:
    """Of the rows that a command printed as JSON, those of ``began`` (seconds since the epoch) and later."""
    return [row for row in json.loads(rows) if moment(row[column]) >= began]
