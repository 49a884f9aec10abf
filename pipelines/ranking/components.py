"""The scores that a blend weighs, and how one shopper's scores are brought to a common scale. NumPy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOOR = 0.02
LOGIT_RANGE = 12.0


@dataclass(frozen=True)
class Component:
    """One input of the blend.

    Attributes:
        system: Name of the scores, for example ``markov``.
        scale: How they are normalised: ``share``, ``log`` or ``logit``.
    """

    system: str
    scale: str


PLAIN = (
    Component("popularity", "log"),
    Component("popularity", "share"),
    Component("shown", "share"),
    Component("shown_popularity", "share"),
    Component("shown_frequency", "share"),
    Component("personal_frequency", "log"),
    Component("personal_frequency_80", "log"),
    Component("personal_frequency_decayed", "log"),
    Component("personal_frequency_95", "share"),
    Component("due", "log"),
    Component("markov", "log"),
    Component("markov", "share"),
    Component("neighbours", "log"),
    Component("neighbours", "share"),
    Component("als", "share"),
)
"""What is blended besides the neural part."""

SEQUENCE = Component("sequence", "logit")
COMPONENTS = (*PLAIN, SEQUENCE)
COSTLY = ("als", "neighbours")
"""Systems that take a list as long as all others but the neural part together, each, the dearest for its use first."""
DECAYS = {
    "personal_frequency": 1.0,
    "personal_frequency_80": 0.8,
    "personal_frequency_decayed": 0.9,
    "personal_frequency_95": 0.95,
}
"""Weight that a purchase keeps per week, by system."""


def known_places(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where a system says something: above zero, or everywhere when its scores go below, as logits do."""
    return np.flatnonzero(scores != 0) if scores.min() >= 0 else np.arange(len(scores))


def normalise(
    scores: NDArray[np.float64], scale: str, among: slice | NDArray[np.int64] = slice(None)
) -> NDArray[np.float64]:
    """Bring one shopper's scores to a common scale, keeping their order.

    Args:
        scores: Raw scores of all items, shape ``(n,)``; none below zero for ``share`` and ``log``. Those for ``logit``
            may be of single precision, and stay so.
        scale: ``share`` divides by the largest; ``log`` is the log of that share plus a floor, 0 for
            nothing and 1.005 for the largest; ``logit`` is the distance below the largest, cut at 12 and
            scaled to [0, 1].
        among: The items whose scaled scores are wanted.

    Raises:
        ValueError: There is no such scale.
    """
    top, scores = scores.max(), scores[among]
    if scale == "logit":
        scaled: NDArray[np.float64] = scores - top
        scaled /= LOGIT_RANGE
        scaled += 1.0
        np.maximum(scaled, 0.0, out=scaled)
        return scaled
    share = np.asarray(scores / max(float(top), 1e-9), np.float64)
    if scale == "share":
        return share
    if scale == "log":
        return np.asarray(np.log(share + FLOOR) / -np.log(FLOOR) + 1.0, np.float64)
    raise ValueError(f"scale must be share, log or logit, found {scale!r}")
