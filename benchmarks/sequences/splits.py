"""Leave-one-out: the last item of a user is the test, the one before is the validation."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.retrieval.interactions import Interactions

RANKED_FROM = 3
"""Events from which a user is ranked; all events of a shorter one are learned from."""
CELLS = 1_500_000_000
"""Users times items that are ranked at most: what takes about a minute a system on two cores."""


@dataclass(frozen=True)
class Questions:
    """Whose next item is asked for.

    Attributes:
        histories: What each user is known by.
        target: What came next, shape ``(users,)``.
    """

    histories: Interactions
    target: NDArray[np.int64]

    def take(self, users: NDArray[np.int64]) -> "Questions":
        """Some of them."""
        return Questions(self.histories.take(users), self.target[users])

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Split:
    """The parts of a file.

    Attributes:
        all_but_last_two: What is learned from while choosing.
        all_but_last: What is learned from when the choices are made.
        validation: The last but one item of each ranked user.
        test: The last item of the same users; the one before belongs to the history, whatever was learned from.
    """

    all_but_last_two: Interactions
    all_but_last: Interactions
    validation: Questions
    test: Questions

    def asking(self, cells: int = CELLS) -> "Split":
        """The same with as many drawn users to rank as keep users times items below ``cells``."""
        most = max(1, cells // self.all_but_last.items)
        users = np.sort(np.random.default_rng(1).permutation(len(self.test))[:most])
        return replace(self, validation=self.validation.take(users), test=self.test.take(users))


def split(interactions: Interactions) -> Split:
    """Cut the last two items off every user that has three."""
    ranked = np.flatnonzero(interactions.lengths >= RANKED_FROM)
    long = interactions.take(ranked)
    return Split(
        _cut(interactions, 2),
        _cut(interactions, 1),
        Questions(long.without_last(2), long.from_end(2)),
        Questions(long.without_last(1), long.from_end(1)),
    )


def _cut(interactions: Interactions, count: int) -> Interactions:
    lengths = interactions.lengths
    kept = np.where(lengths >= RANKED_FROM, lengths - count, lengths)
    within = np.arange(len(interactions.item)) - np.repeat(interactions.offsets[:-1], lengths)
    keep = within < np.repeat(kept, lengths)
    offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return Interactions(offsets, interactions.item[keep], interactions.moment[keep], interactions.items)
