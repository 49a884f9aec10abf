"""Means over the weeks of all households, with intervals that resample households with all of their weeks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipelines.evaluation.bootstrap import Interval, mean_intervals

SAMPLES, CONFIDENCE, SEED = 2000, 0.95, 7
METRICS = {
    "ndcg_at_10": "relevant",
    "repeat_ndcg_at_10": "repeat_relevant",
    "new_ndcg_at_10": "new_relevant",
    "new_only_ndcg_at_10": "new_relevant",
}
"""The column that says of how many items each metric is; a household without any is not counted."""

Row = dict[str, Any]


def pool(weeks: Sequence[tuple[int, pd.DataFrame]]) -> pd.DataFrame:
    """The rows of all weeks, a column ``week`` added."""
    return pd.concat([rows.assign(week=week) for week, rows in weeks], ignore_index=True)


def intervals(pooled: pd.DataFrame, metric: str, *, less: str | None = None) -> dict[str, Interval]:
    """The mean of each system over households and weeks, all of one resampling.

    Args:
        pooled: Rows of all weeks.
        metric: One of :data:`METRICS`.
        less: Instead of the means: of this system less each other one.
    """
    counted = pooled[pooled[METRICS[metric]] > 0]
    values = counted.pivot(index=["user_id", "week"], columns="system", values=metric)
    if less is not None:
        values = -values.drop(columns=less).sub(values[less], axis=0)
    households = values.groupby(level="user_id")
    weight = households.size().to_numpy().astype(np.float64)
    found = mean_intervals(
        households.mean().to_numpy(), samples=SAMPLES, confidence=CONFIDENCE, seed=SEED, weight=weight
    )
    return dict(zip(map(str, values.columns), found, strict=True))


def result_rows(pooled: pd.DataFrame) -> list[Row]:
    """A row a system and metric."""
    return [
        {"system": system, "split": "test", "trained_on": "the weeks before", "metric": metric, "seeds": 1}
        | _rounded(interval)
        for metric in METRICS
        for system, interval in intervals(pooled, metric).items()
    ]


def comparison_rows(pooled: pd.DataFrame, ours: str) -> list[Row]:
    """A row a metric and other system: ours less that one, and what part of it that is."""
    rows = []
    for metric in METRICS:
        means = intervals(pooled, metric)
        for system, interval in intervals(pooled, metric, less=ours).items():
            relative = interval.mean / means[system].mean if means[system].mean else None
            about = {"system": f"{ours} less {system}", "split": "test", "metric": metric}
            rows.append(about | _rounded(interval) | {"relative": relative and round(relative, 6)})
    return rows


def week_rows(pooled: pd.DataFrame) -> list[Row]:
    """A row a week and system: the mean of each metric."""
    return [
        {
            "week": int(rows["week"].iloc[0]),
            "system": str(system),
            "households": int(rows["user_id"].nunique()),
        }
        | {
            metric: round(float(rows.loc[rows[count] > 0, metric].mean()), 6)
            for metric, count in METRICS.items()
        }
        for (week, system), rows in pooled.groupby(["week", "system"])
    ]


def _rounded(interval: Interval) -> Row:
    return {
        "value": round(interval.mean, 6),
        "low": round(interval.low, 6),
        "high": round(interval.high, 6),
    }
