"""Paired bootstrap over households (Efron and Tibshirani 1993, percentile intervals)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Interval:
    """A mean and its interval.

    Attributes:
        mean: Mean over the households.
        low: Lower end of the interval.
        high: Upper end of the interval.
        standard_error: Standard deviation of the bootstrap means.
    """

    mean: float
    low: float
    high: float
    standard_error: float


def paired_interval(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], *, samples: int, confidence: float, seed: int
) -> Interval:
    """Interval of the mean difference ``ours - theirs``, resampling households.

    Args:
        ours: One value per household, shape ``(n,)``.
        theirs: The other system's value for the same household, shape ``(n,)``.
        samples: Number of bootstrap samples.
        confidence: Two-sided level, for example 0.95.
        seed: Of the generator: the same evidence always gives the same interval.

    Raises:
        ValueError: The two arrays differ in shape or are empty.
    """
    if ours.shape != theirs.shape or not ours.size:
        raise ValueError(
            f"paired values must be of one non-empty shape, found {ours.shape} and {theirs.shape}"
        )
    return mean_interval(ours - theirs, samples=samples, confidence=confidence, seed=seed)


def mean_interval(values: NDArray[np.float64], *, samples: int, confidence: float, seed: int) -> Interval:
    """Interval of the mean of one value per household."""
    return mean_intervals(values[:, None], samples=samples, confidence=confidence, seed=seed)[0]


def mean_intervals(
    values: NDArray[np.float64],
    *,
    samples: int,
    confidence: float,
    seed: int,
    weight: NDArray[np.float64] | None = None,
) -> list[Interval]:
    """Intervals of several means over the same households, of one resampling.

    Args:
        values: A row a household, a column a mean, shape ``(n, m)``.
        samples: Number of bootstrap samples.
        confidence: Two-sided level, for example 0.95.
        seed: Of the generator.
        weight: How much each household counts in its sample, shape ``(n,)``: the mean over the questions of whole
            households is that of their own means, weighed with their numbers of questions. All count the same without.
    """
    weight = np.ones(len(values)) if weight is None else weight
    means = resampled_means(values, samples=samples, seed=seed, weight=weight)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return [
        Interval(*(float(figure) for figure in column))
        for column in zip(
            np.average(values, axis=0, weights=weight), low, high, means.std(axis=0, ddof=1), strict=True
        )
    ]


def resampled_means(
    values: NDArray[np.float64], *, samples: int, seed: int, weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Means of resampled households, shape ``(samples, m)``; arguments as of :func:`mean_intervals`."""
    generator, count = np.random.default_rng(seed), len(values)
    weight = np.ones(count) if weight is None else weight
    share = np.full(count, 1.0 / count)
    # Multinomial counts are resampling with replacement, without the (samples, n) index matrix of floats.
    drawn = (generator.multinomial(count, share, size=size) for size in _pieces(samples))
    sums = np.concatenate([(counts * weight) @ np.column_stack([values, np.ones(count)]) for counts in drawn])
    return np.asarray(sums[:, :-1] / sums[:, -1:], np.float64)


def _pieces(samples: int, at_once: int = 100) -> Iterator[int]:
    for start in range(0, samples, at_once):
        yield min(at_once, samples - start)
