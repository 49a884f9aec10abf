"""The report in the common form of all benchmarks."""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from benchmarks.sequences.figures import (
    Column,
    Row,
    comparison_columns,
    quality_rows,
    result_columns,
    slice_rows,
    with_intervals,
)
from benchmarks.sequences.findings import Findings
from benchmarks.sequences.report import SEEN, Whole, course_of, machine
from benchmarks.sequences.systems import BASELINE, BLEND, WITHOUT_NEURAL
from benchmarks.sessions.protocol import PROTOCOL, TEST, VALIDATION
from benchmarks.sessions.published import KNOWN, published_rows
from benchmarks.sessions.reading import SessionFile
from benchmarks.sessions.splits import Split
from pipelines.evaluation.full_ranking import Seen

COLUMNS = (VALIDATION, TEST)
SHOWN = ("mrr_at_20", "recall_at_20", "ndcg_at_20")


def report(
    files: Mapping[str, SessionFile], split: Split, findings: Findings, budget: Mapping[str, float]
) -> Whole:
    """What was measured, and which goals were met.

    Args:
        files: By ``train`` and ``test``.
        split: Their parts.
        findings: What came out.
        budget: Minutes that were allowed, and the seeds that were asked for.
    """
    known = KNOWN.get(files["test"].sha256)
    results = [*_measured(findings, split), *published_rows(files["test"].sha256)]
    return {
        "benchmark": "sessions",
        "command": " ".join(["python -m benchmarks.sessions", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": {"name": known.name if known else "", **facts(files, split)},
        "protocol": {
            "seen": Seen.KEPT.value,
            "seen_means": SEEN[Seen.KEPT],
            "ties": "pessimistic",
            "catalog": "full",
            **budget,
        },
        "results": results,
        "comparisons": with_session_intervals(
            comparison_columns(findings, TEST, PROTOCOL.metric), split.test.session
        ),
        "slices": slice_rows(findings, TEST, split.all_sessions, split.test),
        **course_of(findings),
        "goals": goals(results, known.mrr_at_20 if known else None),
    }


def facts(files: Mapping[str, SessionFile], split: Split) -> Whole:
    """Counts of both files."""
    return {
        "path": {name: str(file.path) for name, file in files.items()},
        "sha256": {name: file.sha256 for name, file in files.items()},
        "items": split.all_sessions.items,
        "items_in_test_only": split.unseen_items,
        "sessions": len(split.all_sessions),
        "events": len(split.all_sessions.item),
        "validation_sessions": len(split.all_sessions) - len(split.earlier_sessions),
        "validation_prefixes": len(split.validation),
        "test_sessions": len(np.unique(split.test.session)),
        "test_prefixes": len(split.test),
    }


def goals(results: list[Row], least: float | None) -> list[Row]:
    """The blend ahead of every single retriever and, on a file that is known, of the figure set for it."""
    values = {
        row["system"]: row["value"]
        for row in results
        if row["split"] == TEST.split and row["metric"] == PROTOCOL.metric and row["seeds"]
    }
    ours = values.get(BLEND, 0.0)
    others = [value for system, value in values.items() if system not in (BLEND, WITHOUT_NEURAL)]
    told = {
        "every single retriever": ours > max(others, default=float("inf")),
        BASELINE: ours > values.get(BASELINE, float("inf")),
    }
    found = [
        {"goal": f"{PROTOCOL.metric} of the blend > {name}, test", "met": met} for name, met in told.items()
    ]
    if least is not None:
        found.append({"goal": f"{PROTOCOL.metric} of the blend >= {least}, test", "met": ours >= least})
    return found


def with_session_intervals(columns: Iterable[Column], session: NDArray[np.int64]) -> list[Row]:
    """Means over prefixes with intervals over whole sessions: prefixes of one session are not independent.

    Args:
        columns: Rows with one value a prefix.
        session: Whose prefix it is, shape ``(prefixes,)``.
    """
    _, place = np.unique(session, return_inverse=True)
    prefixes = np.bincount(place)
    means = [(row, np.bincount(place, values) / prefixes) for row, values in columns]
    return with_intervals(means, prefixes.astype(np.float64))


def _measured(findings: Findings, split: Split) -> list[Row]:
    rows = [
        row
        for asked, prefixes in ((VALIDATION, split.validation), (TEST, split.test))
        for row in with_session_intervals(result_columns(findings, asked), prefixes.session)
    ]
    return rows + quality_rows(findings, TEST, split.all_sessions, split.test)
