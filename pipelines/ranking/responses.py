"""How likely a shopper redeems a coupon of a campaign: what it is told from, and the model. NumPy only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError

Floats = NDArray[np.float64]
DAY_US = 86_400_000_000
FEATURES = (
    "own_rate",  # campaigns that the shopper redeemed of those that have begun, shrunk; logarithm
    "type_rate",  # of all earlier shoppers of campaigns of the type, shrunk; logarithm
    "items_lately",  # different items of the campaign that the shopper bought lately; logarithm
    "share_lately",  # of what the shopper bought lately, the share that is of the campaign
    "lines_ever",  # how often the shopper ever bought items of the campaign; logarithm
    "baskets_lately",  # logarithm
    "days_since",  # the shopper bought anything; logarithm
    "size",  # items of the campaign; logarithm
)


@dataclass(frozen=True)
class Lines:
    """What shoppers bought, a row a basket and item; columns of one shape ``(rows,)``.

    Attributes:
        users: Number of the shopper, from 0.
        items: Number of the item, from 0.
        baskets: Number of the basket, different for different shoppers.
        times: Microseconds since the epoch (UTC).
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    baskets: NDArray[np.int64]
    times: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> "Lines":
        """Some of the rows."""
        return Lines(self.users[rows], self.items[rows], self.baskets[rows], self.times[rows])


@dataclass(frozen=True)
class Bought:
    """What each shopper bought before a moment, of all and of one campaign; columns of shape ``(users,)``."""

    lines_lately: Floats
    wanted_lately: Floats
    wanted_items: Floats
    wanted_ever: Floats
    baskets_lately: Floats
    days_since: Floats


@dataclass(frozen=True)
class Rates:
    """How campaigns were answered that ended before a moment.

    Attributes:
        base: Redeeming shoppers of one campaign over all shoppers.
        types: The same of each type, shrunk towards ``base``.
        own_weight: Campaigns that ``base`` counts as in a shopper's own rate.
    """

    base: float
    types: Mapping[str, float]
    own_weight: float

    def of_type(self, kind: str) -> float:
        """Of one type; of one that is new, of all."""
        return self.types.get(kind, self.base)

    def own(self, redeemed: Floats, begun: int) -> Floats:
        """Of each shopper, from the number of campaigns redeemed and begun."""
        return (redeemed + self.own_weight * self.base) / (begun + self.own_weight)


def count(lines: Lines, users: int, wanted: NDArray[np.bool_], at_us: int, days: float) -> Bought:
    """Count what was bought before a moment.

    Args:
        lines: Of all shoppers; what is not before the moment is left out.
        users: How many there are.
        wanted: Whether an item is of the campaign, by number, shape ``(items,)``.
        at_us: The moment, microseconds since the epoch (UTC).
        days: Before it that count as lately.
    """
    before = lines.take(lines.times < at_us)
    lately = before.take(before.times >= at_us - int(days * DAY_US))
    hit = lately.take(wanted[lately.items])
    different = np.unique(hit.users * len(wanted) + hit.items) // max(len(wanted), 1)
    last = np.zeros(users, np.int64)
    np.maximum.at(last, before.users, before.times)

    def per_user(column: NDArray[np.int64]) -> Floats:
        return np.bincount(column, minlength=users).astype(np.float64)

    _, first = np.unique(lately.baskets, return_index=True)
    return Bought(
        lines_lately=per_user(lately.users),
        wanted_lately=per_user(hit.users),
        wanted_items=per_user(different),
        wanted_ever=per_user(before.users[wanted[before.items]]),
        baskets_lately=per_user(lately.users[first]),
        days_since=(at_us - last) / DAY_US,
    )


def features(bought: Bought, own: Floats, type_rate: float, size: int) -> Floats:
    """A row a shopper, a column each of :data:`FEATURES`."""
    return np.column_stack(
        [
            np.log(own),
            np.full(len(own), np.log(type_rate)),
            np.log1p(bought.wanted_items),
            bought.wanted_lately / np.maximum(bought.lines_lately, 1),
            np.log1p(bought.wanted_ever),
            np.log1p(bought.baskets_lately),
            np.log1p(bought.days_since),
            np.full(len(own), np.log1p(size)),
        ]
    )


@dataclass(frozen=True)
class ResponseModel:
    """A logistic regression over standardised features.

    Attributes:
        intercept: Log-odds where every feature is at its center.
        weights: Of each feature.
        center: Mean of each feature where it was learned.
        scale: Its standard deviation there.
    """

    intercept: float
    weights: tuple[float, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "ResponseModel":
        """Of what :meth:`told` gave.

        Raises:
            BundleError: A number is missing.
        """
        try:
            columns = [tuple(float(one) for one in told[name]) for name in ("weights", "center", "scale")]
            intercept = float(told["intercept"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"promotions.json: the model of responses lacks {error}; train again"
            ) from error
        if {len(column) for column in columns} != {len(FEATURES)}:
            raise BundleError(f"promotions.json: expected {len(FEATURES)} weights of responses; train again")
        return cls(intercept, *columns)

    def told(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    def probability(self, rows: Floats) -> Floats:
        """Of each row of features, shape ``(n,)``."""
        return sigmoid(self.intercept + (rows - self.center) / self.scale @ np.array(self.weights))


def constant(rate: float) -> ResponseModel:
    """The same for everybody, where there is nothing to learn from."""
    zeros = (0.0,) * len(FEATURES)
    return ResponseModel(float(np.log(rate / (1 - rate))), zeros, zeros, (1.0,) * len(FEATURES))


def sigmoid(odds: Floats) -> Floats:
    """Probability of log-odds, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(odds / 2)), np.float64)


def fit_response(rows: Floats, redeemed: NDArray[np.bool_], penalty: float, rate: float) -> ResponseModel:
    """Newton's method for the penalised likelihood; the intercept is not penalised.

    Args:
        rows: Features, shape ``(n, features)``.
        redeemed: What came of each, shape ``(n,)``.
        penalty: Of half the squared weights, against the sum of the log-likelihoods.
        rate: Of everybody, where all or none redeemed.
    """
    if not 0 < redeemed.sum() < len(redeemed):
        return constant(rate)
    center, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    table = np.column_stack([np.ones(len(rows)), (rows - center) / scale])
    ridge = np.diag([1e-9, *[penalty] * rows.shape[1]])
    weights = np.zeros(table.shape[1])
    weights[0] = np.log(redeemed.mean() / (1 - redeemed.mean()))
    for _ in range(50):
        found = sigmoid(table @ weights)
        slope = table.T @ (redeemed - found) - ridge @ weights
        curve = (table * (found * (1 - found))[:, None]).T @ table + ridge
        step = np.linalg.solve(curve, slope)
        weights += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    rounded: Sequence[Floats] = [np.round(column, 9) for column in (weights[1:], center, scale)]
    return ResponseModel(round(float(weights[0]), 9), *(tuple(column.tolist()) for column in rounded))
