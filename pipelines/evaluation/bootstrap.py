"""Paired bootstrap over households (Efron and Tibshirani 1993, percentile intervals)."""

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
    generator = np.random.default_rng(seed)
    # Multinomial counts are resampling with replacement, without the (samples, n) index matrix of floats.
    counts = generator.multinomial(values.size, np.full(values.size, 1.0 / values.size), size=samples)
    means = counts @ values / values.size
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(values.mean()), float(low), float(high), float(means.std(ddof=1)))
