"""What a list has to keep besides the order of the scores: variety, and room for what is new. NumPy only."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

DEPTH = 20
"""Candidates for each place, of what was bought before and of what was not."""
UNKNOWN = 0
"""Type of items of which none is known; no rule counts it."""


@dataclass(frozen=True)
class ListRules:
    """Rules of a list; None for no rule. A list is filled all the same: what breaks a rule comes after what keeps it.

    Attributes:
        same_type_limit: Places of a list that items of one type take at most.
        repeat_share_limit: Share of the places that things bought before take at most, rounded up.
    """

    same_type_limit: int | None = None
    repeat_share_limit: float | None = None

    @property
    def ask_nothing(self) -> bool:
        """Whether the order of the scores stands."""
        return self.same_type_limit is None and self.repeat_share_limit is None

    def choose(
        self, scores: NDArray[np.float64], kind: NDArray[np.int32], bought: NDArray[np.bool_], k: int
    ) -> NDArray[np.int64]:
        """Places of a list, first to last.

        Args:
            scores: Of the items, ``-inf`` for what may not be in the list, shape ``(n,)``.
            kind: Type of each item.
            bought: Whether the shopper bought it before.
            k: Places.

        Returns:
            Distinct, as many as there are allowed items, at most ``k``. Among those that keep the rules, and again
            among those that were needed to fill the list, the order is that of the scores, ties by position.
        """
        near = np.concatenate([_best(scores, mine, DEPTH * k) for mine in (bought, ~bought)])
        near = near[np.lexsort((near, -scores[near]))]
        most_repeats = k if self.repeat_share_limit is None else ceil(self.repeat_share_limit * k - 1e-9)
        most_of_kind = k if self.same_type_limit is None else self.same_type_limit
        kept: list[int] = []
        skipped: list[int] = []
        repeats, of_kind = 0, dict[int, int]()
        for place in near.tolist():
            mine = int(kind[place])
            full = mine != UNKNOWN and of_kind.get(mine, 0) >= most_of_kind
            if full or (bought[place] and repeats >= most_repeats):
                skipped.append(place)
                continue
            kept.append(place)
            of_kind[mine] = of_kind.get(mine, 0) + 1
            repeats += int(bought[place])
            if len(kept) == k:
                break
        return np.array([*kept, *skipped][:k], np.int64)


NO_RULES = ListRules()


def _best(scores: NDArray[np.float64], among: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """The best allowed places among some, ties by position."""
    there = np.flatnonzero(among & np.isfinite(scores))
    if len(there) > most:
        last = np.partition(scores[there], len(there) - most)[len(there) - most]
        there = there[scores[there] >= last]
    return there[np.lexsort((there, -scores[there]))][:most]
