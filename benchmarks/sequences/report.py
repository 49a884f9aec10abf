"""The report in the common form of all benchmarks, and its table."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.sequences.figures import all_rows
from benchmarks.sequences.findings import TEST, TEST_REFITTED, VALIDATION, Asked, Cost, Findings
from benchmarks.sequences.published import KNOWN, published_rows
from benchmarks.sequences.reading import Sequences
from benchmarks.sequences.splits import Split
from benchmarks.sequences.systems import BASELINE, BLEND, WITHOUT_NEURAL
from pipelines.evaluation.full_ranking import Seen
from pipelines.retrieval.tuning import Trial, choices_of

SEEN = {
    Seen.FILTERED: "items of the history are not ranked; a target that was seen before counts as missed",
    Seen.KEPT: "items of the history are ranked like all others",
}
COLUMNS = (VALIDATION, TEST, TEST_REFITTED)
SHOWN = ("ndcg_at_10", "recall_at_10")

Whole = dict[str, Any]


def report(
    sequences: Sequences, split: Split, findings: Findings, seen: Seen, budget: Mapping[str, float]
) -> Whole:
    """What was measured, and which goals were met.

    Args:
        sequences: The file.
        split: Its parts.
        findings: What came out.
        seen: The policy for items of the history.
        budget: Minutes that were allowed and taken, and the seeds that were asked for.
    """
    tables = all_rows(findings, split)
    results = tables["results"] + published_rows(sequences.sha256)
    return {
        "benchmark": "sequences",
        "command": " ".join(["python -m benchmarks.sequences", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": sequences.facts() | {"name": _name(sequences.sha256)},
        "protocol": {
            "seen": seen.value,
            "seen_means": SEEN[seen],
            "ties": "pessimistic",
            "catalog": "full",
            **budget,
        },
        "results": results,
        "comparisons": tables["comparisons"],
        "slices": tables["slices"],
        **course_of(findings),
        "goals": goals(results, sequences.sha256),
    }


def course_of(findings: Findings) -> Whole:
    """How the results came about: costs, choices, trials, weights, and what was left out."""
    return {
        "resources": [_resources(system, cost) for system, cost in findings.costs.items()],
        "choices": {system: choices_of(config) for system, config in findings.configs.items()},
        "trials": {system: [_trial(one) for one in trials] for system, trials in findings.trials.items()},
        "blends": {name: _blend(learned) for name, learned in findings.learned.items()},
        "cut": findings.cut,
    }


def machine() -> str:
    """What the run had."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Python {platform.python_version()}"
    )


def _name(sha256: str) -> str:
    return KNOWN[sha256].name if sha256 in KNOWN else ""


def _resources(system: str, cost: Cost) -> Whole:
    return {
        "system": system,
        "seconds": round(cost.fit_seconds + cost.rank_seconds, 2),
        "fit_seconds": round(cost.fit_seconds, 2),
        "rank_seconds": round(cost.rank_seconds, 2),
        "tune_seconds": round(cost.tune_seconds, 2),
        "tokens_per_second": round(cost.tokens / max(cost.fit_seconds, 1e-3)),
        "peak_memory_mib": round(cost.peak_memory_mib),
    }


def _trial(trial: Trial) -> Whole:
    quality = round(trial.quality, 6) if not trial.fault else None
    return choices_of(trial.config) | {
        "quality": quality,
        "seconds": round(trial.seconds, 2),
        "fault": trial.fault,
    }


def _blend(learned: Any) -> Whole:
    weights = {f"{part.system}/{part.scale}": weight for part, weight in learned.fusion.weights.items()}
    return {"weights": weights, "judged": {name: round(value, 6) for name, value in learned.judged.items()}}


def goals(results: list[Whole], sha256: str) -> list[Whole]:
    """The blend ahead of every other system and, on a file that is known, of the figures set for it."""
    found = []
    known = KNOWN.get(sha256)
    for trained_on in (TEST.trained_on, TEST_REFITTED.trained_on):
        values = {
            (row["system"], row["metric"]): row["value"]
            for row in results
            if row["split"] == "test" and row["trained_on"] == trained_on and row["seeds"]
        }
        ours = values.get((BLEND, "ndcg_at_10"), 0.0)
        others = {
            system: value
            for (system, metric), value in values.items()
            if metric == "ndcg_at_10" and system not in (BLEND, WITHOUT_NEURAL)
        }
        best = max(others.values(), default=float("inf"))
        told = {
            "ndcg_at_10 of the blend > every single retriever": ours > best,
            f"ndcg_at_10 of the blend > {BASELINE}": ours > others.get(BASELINE, float("inf")),
        }
        for metric in ("ndcg_at_10", "recall_at_10") if known else ():
            least = getattr(known, metric)
            told[f"{metric} of the blend >= {least}"] = values.get((BLEND, metric), 0.0) >= least
        found += [
            {"goal": f"{goal} (test, trained on {trained_on})", "met": met} for goal, met in told.items()
        ]
    return found


def table(whole: Whole, columns: Sequence[Asked] = COLUMNS, shown: Sequence[str] = SHOWN) -> str:
    """Markdown: a line a system, some metrics of each column, then what it took; the best of the last column first."""
    values = {(r["system"], r["split"], r["trained_on"], r["metric"]): r for r in whole["results"]}
    systems = list(dict.fromkeys(row["system"] for row in whole["results"]))
    used = {line["system"]: line for line in whole["resources"]}
    head = ["system"]
    head += [f"{metric}, {one.split} ({one.trained_on})" for one in columns for metric in shown]
    rows = [[*head, "seconds", "MiB"], ["---"] * (len(head) + 2)]
    for system in sorted(systems, key=lambda name: _order(name, values, columns, shown[0])):
        cells = [
            _cell(values.get((system, one.split, one.trained_on, metric)))
            for one in columns
            for metric in shown
        ]
        cost = used.get(system, {"seconds": "", "peak_memory_mib": ""})
        rows.append([system, *cells, f"{cost['seconds']}", f"{cost['peak_memory_mib']}"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _order(
    system: str, values: Mapping[tuple[str, str, str, str], Whole], columns: Sequence[Asked], metric: str
) -> float:
    tests = [one for one in reversed(columns) if one.split == "test"]
    found = [values.get((system, one.split, one.trained_on, metric)) for one in tests]
    return next((-row["value"] for row in found if row), 0.0)


def _cell(row: Whole | None) -> str:
    if row is None:
        return ""
    if row["low"] is None:
        return f"{row['value']:.4f}"
    spread = f", seeds ±{row['spread']:.4f}" if row["spread"] is not None else ""
    return f"{row['value']:.4f} ({row['low']:.4f} to {row['high']:.4f}{spread})"
