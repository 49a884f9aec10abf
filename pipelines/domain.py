"""Values that every room speaks in. Imports numpy and the standard library only: serving uses it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BundleError(Exception):
    """A model bundle cannot be used; the message names the file and the remedy."""


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "PASS"
    FAIL = "FAIL"
    INSUFFICIENT_EVIDENCE = "INSUFFICIENT_EVIDENCE"


@dataclass(frozen=True)
class History:
    """What one shopper bought, oldest first.

    Attributes:
        user_id: The shopper.
        items: Item ids, shape ``(n,)``, dtype ``str``; within a basket sorted by id, since a basket is a set.
        times: When each was bought, microseconds since the epoch (UTC), shape ``(n,)``, non-decreasing.
        baskets: Ordinal of the basket of each row, shape ``(n,)``, non-decreasing from 0.
    """

    user_id: str
    items: NDArray[np.str_]
    times: NDArray[np.int64]
    baskets: NDArray[np.int32]

    @classmethod
    def empty(cls, user_id: str) -> "History":
        """A shopper of whom nothing is known."""
        return cls(user_id, np.array([], dtype=np.str_), np.array([], np.int64), np.array([], np.int32))


@dataclass(frozen=True)
class Recommendation:
    """One place in a ranked list."""

    item_id: str
    score: float
    reason: str


@dataclass(frozen=True)
class RankedList:
    """An answer: items in order, and the step of the fallback chain that made it."""

    source: str
    items: tuple[Recommendation, ...]


@dataclass(frozen=True)
class Check:
    """One comparison that a gate made.

    Attributes:
        name: What was compared, in snake case.
        verdict: Its own verdict.
        observed: The figure, in the unit the message names.
        threshold: What it had to reach.
        low: Lower end of the interval where the check has one.
        high: Upper end of it.
        message: A sentence for a person.
    """

    name: str
    verdict: Verdict
    observed: float | None
    threshold: float | None
    message: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Decision:
    """What a gate decided and on which checks; written as a file and kept in the ledger."""

    kind: str
    verdict: Verdict
    checks: tuple[Check, ...]
    summary: str
    evidence: dict[str, Any] = field(default_factory=dict)
