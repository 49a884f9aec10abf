"""Figures of what was ranked: means with intervals over users, spread over seeds, slices, qualities of lists."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sequences.findings import (
    LEAVE_ONE_OUT,
    TEST,
    TEST_REFITTED,
    VALIDATION,
    Asked,
    Findings,
    Outcome,
)
from benchmarks.sequences.splits import Questions, Split
from benchmarks.sequences.systems import BLEND
from pipelines.evaluation.bootstrap import mean_intervals
from pipelines.evaluation.full_ranking import metrics_at
from pipelines.evaluation.list_quality import ListQuality
from pipelines.evaluation.sequence_slices import slices_of
from pipelines.retrieval.interactions import Interactions

SAMPLES, CONFIDENCE, SEED = 1000, 0.95, 1
PLACES = (5, 10, 20)

Row = dict[str, Any]
Column = tuple[Row, NDArray[np.float64]]
"""A row of a table and what each user adds to it."""


def result_columns(findings: Findings, asked: Asked) -> Iterator[Column]:
    """A row a system and metric, with the mean over seeds of each user and the spread over seeds."""
    for system, outcomes in findings.of(asked).items():
        seeds = [metrics_at(outcome.rank, PLACES) for outcome in outcomes]
        for metric in seeds[0]:
            values = [one[metric] for one in seeds]
            about = {"metric": metric, "seeds": len(seeds), "spread": _spread(values)}
            yield _about(system, asked) | about, np.asarray(np.mean(values, axis=0))


def comparison_columns(findings: Findings, asked: Asked, metric: str) -> Iterator[Column]:
    """A row a system, with the metric of the blend less its own."""
    found = findings.of(asked)
    for system in found if BLEND in found else ():
        if system != BLEND:
            difference = _mean(found[BLEND], metric) - _mean(found[system], metric)
            yield _about(f"{BLEND} less {system}", asked) | {"metric": metric}, difference


def with_intervals(columns: Sequence[Column], weight: NDArray[np.float64] | None = None) -> list[Row]:
    """The rows with the mean of each and its interval, all of one resampling of the users, who may differ in weight."""
    if not columns:
        return []
    values = np.stack([values for _, values in columns], axis=1)
    intervals = mean_intervals(values, samples=SAMPLES, confidence=CONFIDENCE, seed=SEED, weight=weight)
    return [
        row | {"value": _round(one.mean), "low": _round(one.low), "high": _round(one.high)}
        for (row, _), one in zip(columns, intervals, strict=True)
    ]


def quality_rows(findings: Findings, asked: Asked, train: Interactions, questions: Questions) -> list[Row]:
    """Coverage, novelty, popularity lift and diversity of the first ten places, of the first seed."""
    quality = ListQuality(train)
    return [
        _about(system, asked)
        | {
            "metric": f"{metric}_at_10",
            "value": _round(value),
            "low": None,
            "high": None,
            "seeds": 1,
            "spread": None,
        }
        for system, outcomes in findings.of(asked).items()
        for metric, value in quality.judge(outcomes[0].listed[:, :10], questions.histories).items()
    ]


def slice_rows(findings: Findings, asked: Asked, train: Interactions, questions: Questions) -> list[Row]:
    """NDCG and recall in ten places by length of the history and by popularity of the target."""
    slices = slices_of(train, questions.histories, questions.target)
    rows = []
    for system, outcomes in findings.of(asked).items():
        means = {metric: _mean(outcomes, metric) for metric in ("ndcg_at_10", "recall_at_10")}
        for name, members in slices.items():
            figures = {metric: _round(float(values[members].mean())) for metric, values in means.items()}
            rows.append(_about(system, asked) | {"slice": name, "users": int(members.sum())} | figures)
    return rows


def all_rows(findings: Findings, split: Split) -> dict[str, list[Row]]:
    """Every table of the report, by its name."""
    asked = [one for one in (VALIDATION, TEST, TEST_REFITTED) if findings.of(one)]
    tests = [one for one in asked if one != VALIDATION]
    results = [column for one in asked for column in result_columns(findings, one)]
    comparisons = [
        column for one in tests for column in comparison_columns(findings, one, LEAVE_ONE_OUT.metric)
    ]
    judged = with_intervals([*results, *comparisons])  # the same users answer all questions
    tables = {"results": judged[: len(results)], "comparisons": judged[len(results) :], "slices": []}
    for one in tests:
        train: Interactions = getattr(split, one.trained_on)
        tables["results"] += quality_rows(findings, one, train, split.test)
        tables["slices"] += slice_rows(findings, one, train, split.test)
    return tables


def _about(system: str, asked: Asked) -> Row:
    return {"system": system, "split": asked.split, "trained_on": asked.trained_on}


def _mean(outcomes: Sequence[Outcome], metric: str) -> NDArray[np.float64]:
    return np.asarray(np.mean([metrics_at(outcome.rank, PLACES)[metric] for outcome in outcomes], axis=0))


def _spread(seeds: Sequence[NDArray[np.float64]]) -> float | None:
    return _round(float(np.std([one.mean() for one in seeds], ddof=1))) if len(seeds) > 1 else None


def _round(value: float) -> float:
    return round(value, 6)
