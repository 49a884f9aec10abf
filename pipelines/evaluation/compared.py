"""A scenario's figure beside those of its baselines, with intervals over households."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.bootstrap import Interval, mean_intervals


def compared(
    metric: str, values: Mapping[str, NDArray[np.float64]], users: Sequence[str], samples: int, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Means over all questions, and of how much the first system is above each of the others.

    Args:
        metric: Its name.
        values: By system, one for each question, shape ``(n,)``; the first is judged.
        users: Whose question it is. What is resampled is households, since the questions of one are alike.
        samples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        ``metric`` and ``above``, each with an interval (95 %) by system.
    """
    judged, *others = values
    differences = {name: values[judged] - values[name] for name in others}
    _, place, count = np.unique(users, return_inverse=True, return_counts=True)
    columns = [*values.values(), *differences.values()]
    table = np.column_stack([np.bincount(place, column) / count for column in columns])
    found: list[Interval] = mean_intervals(
        table, samples=samples, confidence=0.95, seed=seed, weight=count.astype(np.float64)
    )
    told = [asdict(one) for one in found]
    return {
        metric: dict(zip(values, told, strict=False)),
        "above": dict(zip(differences, told[len(values) :], strict=True)),
    }
