"""TIFU-kNN (Hu, He, Gao and Zhang, SIGIR 2020): decayed personal frequency, and that of the nearest households.

A household's baskets are cut into groups of one size from the latest on, so that the earliest group takes what is left.
The vector of a group is the mean of its baskets, each weighed by ``within`` to the power of its distance from the
group's last; the vector of the household is the mean of its groups, weighed by ``between`` in the same way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipelines.evaluation.lists import DEPTH, Lists
from pipelines.evaluation.measure import K, Truth
from pipelines.features.histories import Histories
from pipelines.metrics import ndcg_at_k, relevant_ranks

NAME = "tifu_knn"


@dataclass(frozen=True)
class Choices:
    """Parameters of TIFU-kNN, by the letters of its paper.

    Attributes:
        group: Baskets in a group (m).
        within: Decay from basket to basket in a group (r_b).
        between: Decay from group to group (r_g).
        neighbours: Households that vote (k).
        own: Share of the household's own vector (alpha).
    """

    group: int
    within: float
    between: float
    neighbours: int
    own: float


DECAYS = tuple(Choices(*one, 100, 0.7) for one in product((3, 7, 14), (0.9, 1.0), (0.6, 0.7, 0.8)))
VOTES = tuple(product((30, 100, 300), (0.1, 0.3, 0.5, 0.7)))
"""What is tried, around what the paper found best on its data sets: first decays, then ``neighbours`` and ``own``."""


@dataclass(frozen=True)
class Question:
    """Whose next baskets are asked for, and of what.

    Attributes:
        histories: Of all households: the neighbours come from them.
        truth: What was bought; its households are asked.
        sellable: Sorted ids of the items that are ranked.
    """

    histories: Histories
    truth: Truth
    sellable: NDArray[np.str_]

    @property
    def asked(self) -> NDArray[np.int64]:
        """Positions in ``histories`` of the households that are asked."""
        wanted = np.array(sorted(self.truth.bought))
        return np.searchsorted(self.histories.user_ids, wanted).astype(np.int64)


def basket_weights(
    baskets: NDArray[np.int32], group: int, within: float, between: float
) -> NDArray[np.float64]:
    """What one household's baskets weigh in its vector.

    Args:
        baskets: How many baskets came before each row's, ascending, shape ``(rows,)``.
        group: Size of a group.
        within: Decay from basket to basket in a group.
        between: Decay from group to group.

    Returns:
        Shape ``(rows,)``.
    """
    from_end = baskets[-1] - baskets
    which, place = from_end // group, from_end % group
    groups = int(which[0]) + 1
    earliest = int(baskets[-1]) + 1 - (groups - 1) * group
    size = np.where(which == groups - 1, earliest, group)
    weights: NDArray[np.float64] = within**place * between**which / (size * groups)
    return weights


def vectors(histories: Histories, choices: Choices) -> sparse.csr_matrix:
    """The vector of each household over ``histories.item_ids``, shape ``(users, items)``."""
    bounds = zip(histories.offsets[:-1], histories.offsets[1:], strict=True)
    weights = [
        basket_weights(histories.baskets[start:end], choices.group, choices.within, choices.between)
        for start, end in bounds
        if end > start
    ]
    data = np.concatenate([np.zeros(0), *weights]).astype(np.float32)
    found = sparse.csr_matrix(
        (data, histories.items, histories.offsets), (len(histories), len(histories.item_ids)), copy=True
    )  # summing sorts the columns in place: without a copy those of the histories
    found.sum_duplicates()
    return found


def nearest(users: sparse.csr_matrix, asked: NDArray[np.int64], neighbours: int) -> sparse.csr_matrix:
    """The share of each household in the mean of the nearest ones (Euclidean, oneself left out), ``(asked, users)``."""
    square = np.asarray(users.multiply(users).sum(axis=1)).ravel()
    distance = square[asked][:, None] + square[None, :] - 2.0 * (users[asked] @ users.T).toarray()
    distance[np.arange(len(asked)), asked] = np.inf
    count = min(neighbours, users.shape[0] - 1)
    closest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    share = np.full(closest.size, 1.0 / max(count, 1), np.float32)
    return sparse.csr_matrix((share, closest.ravel(), np.arange(len(asked) + 1) * count), distance.shape)


def scores(question: Question, grid: Sequence[Choices]) -> Iterator[tuple[Choices, NDArray[np.float32]]]:
    """What each of ``grid`` says of the sellable items, shape ``(asked, items)``; what they share is computed once."""
    asked = question.asked
    for group, within, between in sorted({(one.group, one.within, one.between) for one in grid}):
        users = vectors(question.histories, Choices(group, within, between, 0, 0.0))
        ranked = users @ _sellable(question)  # sparse: most households bought few of the items
        mine = ranked[asked].toarray()
        for neighbours in sorted({one.neighbours for one in grid}):
            others = (nearest(users, asked, neighbours) @ ranked).toarray()
            for one in grid:
                if one == Choices(group, within, between, neighbours, one.own):
                    yield one, one.own * mine + (1.0 - one.own) * others


def choose(
    question: Question,
    decays: Sequence[Choices] = DECAYS,
    votes: Sequence[tuple[int, float]] = VOTES,
) -> tuple[Choices, float]:
    """The choices of the best mean NDCG@10 on a question whose truth is known, and that NDCG.

    Args:
        question: Of the week before.
        decays: The first step takes the best of these.
        votes: The second one tries these ``neighbours`` and ``own`` with it.
    """
    first, _ = _best(question, decays)
    return _best(question, [first, *(replace(first, neighbours=k, own=own) for k, own in votes)])


def _best(question: Question, grid: Sequence[Choices]) -> tuple[Choices, float]:
    found = {one: _ndcg(_lists(question, values), question.truth) for one, values in scores(question, grid)}
    return max(found.items(), key=lambda pair: pair[1])


def rank(question: Question, choices: Choices) -> Lists:
    """The lists of the households that are asked, sorted, so long that all they know may be taken out."""
    ((_, values),) = scores(question, [choices])
    known = max((len(items) for items in question.truth.known.values()), default=0)
    lists = _lists(question, values, DEPTH + known)
    items, found = lists.systems[NAME]
    order = np.argsort(-found, axis=1, kind="stable")
    taken = (np.take_along_axis(items, order, axis=1), np.take_along_axis(found, order, axis=1))
    return replace(lists, systems={NAME: taken})


def _sellable(question: Question) -> sparse.csr_matrix:
    """Takes vectors over the items of the histories to the sellable ones, shape ``(items, sellable)``."""
    table = question.histories.item_ids
    at = np.minimum(np.searchsorted(table, question.sellable), len(table) - 1)
    bought = np.flatnonzero(table[at] == question.sellable)
    ones = np.ones(len(bought), np.float32)
    return sparse.csr_matrix((ones, (at[bought], bought)), (len(table), len(question.sellable)))


def _lists(question: Question, values: NDArray[np.float32], depth: int = DEPTH) -> Lists:
    depth = min(depth, values.shape[1])
    best = np.argpartition(-values, depth - 1, axis=1)[:, :depth].astype(np.int32)
    found = np.take_along_axis(values, best, axis=1).astype(np.float64)
    asked = question.histories.user_ids[question.asked]
    return Lists(asked, question.sellable, {NAME: (best, found)})


def _ndcg(lists: Lists, truth: Truth) -> float:
    items, values = lists.systems[NAME]
    rows = zip(lists.user_ids.astype(str), items, values, strict=True)
    found = [
        ndcg_at_k(relevant_ranks(lists.item_ids[best], score, bought), len(bought), K)
        for user_id, best, score in rows
        if (bought := truth.bought[user_id])
    ]
    return float(np.mean(found))
