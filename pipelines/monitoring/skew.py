"""Skew: feature values that were served against those that the offline build gives for the same requests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.feature_values import SCORE, FeatureValues

ANSWERED = "features"
"""Stands for a feature where one side computed nothing at all."""


@dataclass(frozen=True)
class Difference:
    """One value that differs.

    Attributes:
        feature: Its name.
        item_id: The item of the list, None for a feature of the shopper.
        served: As logged; None where it was not computed, or says that nothing is known.
        offline: As built offline; None likewise.
    """

    feature: str
    item_id: str | None
    served: float | None
    offline: float | None

    @property
    def distance(self) -> float:
        """How far apart they are; infinite when one side has no value."""
        if self.served is None or self.offline is None:
            return float("inf")
        return abs(self.served - self.offline)


@dataclass
class FeatureTotals:
    """All comparisons of one feature: values compared, those that differ, and the largest difference."""

    values: int = 0
    differing: int = 0
    largest: float = 0.0


@dataclass
class Comparison:
    """What became of the requests so far.

    Attributes:
        equal: Requests whose values are all equal.
        differing: Requests with a value that differs.
        features: Totals by feature.
        causes: Differing requests by what explains the difference.
    """

    equal: int = 0
    differing: int = 0
    features: dict[str, FeatureTotals] = field(default_factory=dict)
    causes: dict[str, int] = field(default_factory=dict)

    def take(self, served: FeatureValues, differences: Sequence[Difference]) -> None:
        """Count one request."""
        for name, values in ((served.item_names, len(served.item_ids)), (served.shopper_names, 1)):
            for feature in name:
                self.features.setdefault(feature, FeatureTotals()).values += values
        for difference in differences:
            totals = self.features.setdefault(difference.feature, FeatureTotals())
            totals.differing += 1
            totals.largest = max(totals.largest, difference.distance)
        self.differing += bool(differences)
        self.equal += not differences

    def blame(self, cause: str) -> None:
        """Count what explains one request that differs."""
        self.causes[cause] = self.causes.get(cause, 0) + 1


def compare(served: FeatureValues, offline: FeatureValues, score_tolerance: float) -> list[Difference]:
    """All values that differ between what was served and what the offline build gives.

    Features are float32 on both sides and have to be equal; scores are sums, whose last bits depend on the machine.

    Args:
        served: As logged.
        offline: The same items, built again.
        score_tolerance: How far scores may lie apart, relative to the larger and absolute below 1.
    """
    if bool(served.item_names) != bool(offline.item_names):
        return [Difference(ANSWERED, None, _size(served), _size(offline))]
    if not served.item_names:
        return []
    return [
        *_compare_rows(served, offline, score_tolerance),
        *_compare_shopper(served, offline),
    ]


def _size(values: FeatureValues) -> float | None:
    return float(len(values.item_names)) if values.item_names else None


def _compare_rows(served: FeatureValues, offline: FeatureValues, tolerance: float) -> Iterator[Difference]:
    for name in dict.fromkeys((*served.item_names, *offline.item_names)):
        ours, theirs = (_column(values, name) for values in (served, offline))
        allowed = tolerance if name.startswith(SCORE) else 0.0
        for row in np.flatnonzero(~_equal(ours, theirs, allowed)):
            yield Difference(name, served.item_ids[row], _value(ours[row]), _value(theirs[row]))


def _column(values: FeatureValues, name: str) -> NDArray[np.float64]:
    if name not in values.item_names:
        return np.full(len(values.item_ids), np.nan)
    return values.item_values[:, values.item_names.index(name)]


def _compare_shopper(served: FeatureValues, offline: FeatureValues) -> Iterator[Difference]:
    ours, theirs = (
        dict(zip(values.shopper_names, values.shopper_values.tolist(), strict=True))
        for values in (served, offline)
    )
    for name in dict.fromkeys((*ours, *theirs)):
        if ours.get(name) != theirs.get(name):
            yield Difference(name, None, ours.get(name), theirs.get(name))


def _equal(ours: NDArray[np.float64], theirs: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    near = np.isclose(ours, theirs, rtol=tolerance, atol=tolerance, equal_nan=True)
    return np.asarray(near, np.bool_)


def _value(found: np.float64) -> float | None:
    return None if np.isnan(found) else float(found)
