"""Figures of what was ranked: means with intervals over users, spread over seeds, slices, qualities of lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sequences.findings import TEST_REFITTED, VALIDATION, Asked, Findings, Outcome
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


def result_rows(findings: Findings, asked: Asked) -> list[Row]:
    """A row a system and metric: the mean over seeds, its interval over users, its spread over seeds."""
    found = findings.of(asked)
    if not found:
        return []
    by_seed = {
        system: [metrics_at(outcome.rank, PLACES) for outcome in outcomes]
        for system, outcomes in found.items()
    }
    keys = [(system, metric) for system, seeds in by_seed.items() for metric in seeds[0]]
    columns = [np.mean([one[metric] for one in by_seed[system]], axis=0) for system, metric in keys]
    intervals = _intervals(np.stack(columns, axis=1))
    return [
        _about(system, asked)
        | {
            "metric": metric,
            "value": _round(interval.mean),
            "low": _round(interval.low),
            "high": _round(interval.high),
            "seeds": len(by_seed[system]),
            "spread": _spread([one[metric] for one in by_seed[system]]),
        }
        for (system, metric), interval in zip(keys, intervals, strict=True)
    ]


def comparison_rows(findings: Findings, asked: Asked) -> list[Row]:
    """The blend less each other system, user by user, on NDCG@10."""
    found = findings.of(asked)
    others = [system for system in found if system != BLEND]
    if BLEND not in found or not others:
        return []
    ours = _ndcg(found[BLEND])
    differences = np.stack([ours - _ndcg(found[system]) for system in others], axis=1)
    return [
        _about(f"{BLEND} less {system}", asked)
        | {
            "metric": "ndcg_at_10",
            "value": _round(one.mean),
            "low": _round(one.low),
            "high": _round(one.high),
        }
        for system, one in zip(others, _intervals(differences), strict=True)
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


def all_rows(findings: Findings, split: Split, asked: Sequence[Asked]) -> Mapping[str, list[Row]]:
    """Every table of the report, by its name."""
    tables: dict[str, list[Row]] = {"results": [], "comparisons": [], "slices": []}
    for one in asked:
        train: Interactions = getattr(split, one.trained_on)
        tables["results"] += result_rows(findings, one)
        if one == VALIDATION:
            continue
        tables["comparisons"] += comparison_rows(findings, one)
        tables["slices"] += slice_rows(findings, one, train, split.test)
        if one == TEST_REFITTED:
            tables["results"] += quality_rows(findings, one, train, split.test)
    return tables


def _about(system: str, asked: Asked) -> Row:
    return {"system": system, "split": asked.split, "trained_on": asked.trained_on}


def _intervals(values: NDArray[np.float64]) -> Any:
    return mean_intervals(values, samples=SAMPLES, confidence=CONFIDENCE, seed=SEED)


def _mean(outcomes: Sequence[Outcome], metric: str) -> NDArray[np.float64]:
    return np.asarray(np.mean([metrics_at(outcome.rank, PLACES)[metric] for outcome in outcomes], axis=0))


def _ndcg(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    return _mean(outcomes, "ndcg_at_10")


def _spread(seeds: Sequence[NDArray[np.float64]]) -> float | None:
    return _round(float(np.std([one.mean() for one in seeds], ddof=1))) if len(seeds) > 1 else None


def _round(value: float) -> float:
    return round(value, 6)
