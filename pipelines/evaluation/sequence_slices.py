"""Slices of users by how much is known of them and by how popular the item is that they took next."""

import numpy as np
from numpy.typing import NDArray

from pipelines.retrieval.interactions import Interactions

LONG = (5, 10)
"""Events from which a history is of usual length, and from which it is long."""


def slices_of(
    train: Interactions, histories: Interactions, target: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Members of each slice that has any, by its name.

    A target is of the head when it is one of the most popular items that together make up half of all events.

    Args:
        train: What popularity is counted in.
        histories: What each user is known by.
        target: What came next, shape ``(users,)``.
    """
    length = histories.lengths
    count = np.bincount(train.item, minlength=train.items)
    order = np.argsort(-count, kind="stable")
    before = np.cumsum(count[order]) - count[order]
    is_head = np.zeros(train.items, bool)
    is_head[order[before < count.sum() / 2]] = True
    seen = count[target] > 0
    members = {
        f"history under {LONG[0]}": length < LONG[0],
        f"history {LONG[0]} to {LONG[1] - 1}": (length >= LONG[0]) & (length < LONG[1]),
        f"history from {LONG[1]}": length >= LONG[1],
        "target of the head": seen & is_head[target],
        "target of the tail": seen & ~is_head[target],
        "target never learned": ~seen,
    }
    return {name: found for name, found in members.items() if found.any()}
