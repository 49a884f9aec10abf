"""What a list has to keep besides the order of the scores: variety, and room for what is new. NumPy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAGE = 10
"""Places that the rules count in: the first ten of a longer list are the list of ten."""
DEPTH = 20
"""Candidates for each place, of what was bought before and of what was not."""
FEW = 16
"""Items of a part whose maximum is not worth taking."""
UNKNOWN = 0
"""Type of items of which none is known; no rule counts it."""


@dataclass(frozen=True)
class ListRules:
    """Rules of each ten places; None for no rule. A list is filled all the same: what breaks a rule fills up its ten.

    Attributes:
        same_type_limit: Places that items of one type take at most.
        repeat_limit: Places that things bought before take at most.
    """

    same_type_limit: int | None = None
    repeat_limit: int | None = None

    @property
    def ask_nothing(self) -> bool:
        """Whether the order of the scores stands."""
        return self.same_type_limit is None and self.repeat_limit is None

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
            Distinct, as many as there are allowed items, at most ``k``. In each ten those that keep the rules stand in
            the order of the scores, ties by position; then, where they are too few, the best of the others.
        """
        pages = -(-k // PAGE)
        near = np.concatenate([_best(scores, mine, DEPTH * PAGE * pages) for mine in (bought, ~bought)])
        left: list[int] = near[np.lexsort((near, -scores[near]))].tolist()
        chosen: list[int] = []
        for _ in range(pages):
            page = self._page(left, kind, bought)
            left = [place for place in left if place not in page]
            chosen += page
        return np.array(chosen[:k], np.int64)

    def _page(self, left: list[int], kind: NDArray[np.int32], bought: NDArray[np.bool_]) -> list[int]:
        """The next ten of what is left, the best first."""
        most_of_kind = PAGE if self.same_type_limit is None else self.same_type_limit
        repeats_left = PAGE if self.repeat_limit is None else self.repeat_limit
        of_kind: dict[int, int] = {}
        kept: list[int] = []
        skipped: list[int] = []
        for place in left:
            if len(kept) == PAGE:
                break
            mine = int(kind[place])
            full = mine != UNKNOWN and of_kind.get(mine, 0) >= most_of_kind
            if full or (bought[place] and not repeats_left):
                skipped.append(place)
                continue
            kept.append(place)
            of_kind[mine] = of_kind.get(mine, 0) + 1
            repeats_left -= int(bought[place])
        return [*kept, *skipped][:PAGE]


NO_RULES = ListRules()


def top_places(scores: NDArray[np.float64], top: int) -> NDArray[np.int64]:
    """Positions of the ``top`` best scores, best first, ties by position."""
    top = min(top, len(scores))
    if top <= 0:
        return np.zeros(0, np.int64)
    # Everything that reaches what so many items reach competes, so that ties fall by position, not by chance.
    near = np.flatnonzero(scores >= _reached_by(scores, top))
    return near[np.argsort(-scores[near], kind="stable")][:top]


def _reached_by(scores: NDArray[np.float64], top: int) -> float:
    """A score that at least ``top`` items reach: so many parts hold one that reaches the ``top``-th of their maxima."""
    parts = 8 * top
    size = len(scores) // parts
    if size < FEW:
        return float(np.partition(scores, len(scores) - top)[len(scores) - top])
    maxima = scores[: parts * size].reshape(parts, size).max(axis=1)
    return float(np.partition(maxima, parts - top)[parts - top])


def _best(scores: NDArray[np.float64], among: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """The best allowed places among some."""
    there = np.flatnonzero(among & np.isfinite(scores))
    return there[top_places(scores[there], most)]
