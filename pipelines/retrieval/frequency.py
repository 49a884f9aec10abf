"""What the shopper bought before, again: the strongest plain predictors of a grocery basket."""

import numpy as np
from numpy.typing import NDArray


def score_frequency(
    item: NDArray[np.int64], age: NDArray[np.float64], items: int, decay: float
) -> NDArray[np.float64]:
    """How often the shopper bought each item, a purchase losing ``1 - decay`` of its weight a week.

    Args:
        item: The shopper's purchases, one per basket and item, shape ``(n,)``.
        age: Days since each purchase, shape ``(n,)``.
        items: Catalog size.
        decay: 1 for plain counts.

    Returns:
        One score an item, shape ``(items,)``.
    """
    return np.asarray(np.bincount(item, decay ** (age / 7.0), minlength=items), np.float64)


def score_due(
    item: NDArray[np.int64], age: NDArray[np.float64], items: int, decay: float = 0.95, spread: float = 1.0
) -> NDArray[np.float64]:
    """Decayed frequency, damped when the time since the last purchase is far from the shopper's usual gap.

    Args:
        item: The shopper's purchases, oldest first, shape ``(n,)``.
        age: Days since each, shape ``(n,)``.
        items: Catalog size.
        decay: As in :func:`score_frequency`.
        spread: Width of the damping on the log scale.
    """
    order = np.argsort(item, kind="stable")
    bought, starts, count = np.unique(item[order], return_index=True, return_counts=True)
    last, first = age[order][starts + count - 1], age[order][starts]
    # Bought once: the gap is not known, and a quarter of a year is what such things take on average.
    gap = np.where(count > 1, (first - last) / np.maximum(count - 1, 1), 90.0)
    damping = np.exp(-0.5 * (np.log((last + 3.5) / (gap + 3.5)) / spread) ** 2)
    scores = np.zeros(items)
    scores[bought] = np.bincount(item, decay ** (age / 7.0), minlength=items)[bought] * damping
    return scores
