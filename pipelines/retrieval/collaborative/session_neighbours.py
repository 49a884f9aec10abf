"""Neighbouring sessions: those that share items with a history propose what stands near the shared ones.

V-SKNN (Ludewig and Jannach, UMUAI 2018) weighs neighbours by how late in the history the shared items stand and how
rare they are; STAN (Garg et al., SIGIR 2019) adds the age of the neighbour and how far from the shared item a candidate
stands. New here: candidates before and after the shared item are weighed apart, and so are repeats.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Scores, Watch
from pipelines.retrieval.rows import gather_rows

REACH = 64
"""Steps between a candidate and the shared item; what is further apart counts as this far."""
MATCHES = 500_000
"""Shared events that are held at a time."""


@dataclass(frozen=True)
class SessionNeighboursConfig:
    """How neighbours are weighed, and what they propose.

    Attributes:
        history_window: Steps back that the history is asked with.
        history_decay: Weight that an item of the history keeps per step back.
        rarity: Power of the inverse document frequency that a shared item is weighed with.
        sharpness: Power of a neighbour's similarity.
        latest_decay: Weight that a neighbour keeps per step back of the latest item it shares.
        length_damping: Power of a neighbour's length that its weight is divided by.
        aging: How often the weight falls by e from the last fitted row to the first. Rows must be in order of time.
        neighbours: Those of the highest weight that propose.
        after_decay: Weight that a candidate keeps per step after the shared item; the next one counts 1.
        before_share: Weight of the candidate just before the shared item.
        before_decay: Weight that a candidate keeps per step before the shared item.
        same_share: Weight of what stands in the same moment as the shared item, itself above all.
        candidate_rarity: Power of the inverse document frequency that a candidate is weighed with.
        repeat_share: Share of the neighbours' whole weight that the latest item of the history itself gets.
        repeat_decay: What an earlier item of the history keeps of that per step back.
    """

    history_window: int = 20
    history_decay: float = 0.75
    rarity: float = 1.5
    sharpness: float = 2.0
    latest_decay: float = 0.7
    length_damping: float = 0.25
    aging: float = 1.0
    neighbours: int = 1000
    after_decay: float = 0.7
    before_share: float = 0.5
    before_decay: float = 0.9
    same_share: float = 0.0
    candidate_rarity: float = 1.0
    repeat_share: float = 0.4
    repeat_decay: float = 0.8


@dataclass(frozen=True)
class _Asked:
    """Different items of histories, at their latest place."""

    user: NDArray[np.int64]
    item: NDArray[np.int32]
    back: NDArray[np.int64]
    weight: NDArray[np.float64]

    def take(self, chosen: NDArray[np.bool_] | slice) -> "_Asked":
        return _Asked(self.user[chosen], self.item[chosen], self.back[chosen], self.weight[chosen])


@dataclass(frozen=True)
class _Neighbours:
    """Pairs of a history and a fitted row; ``anchor`` is the event of the latest item that they share."""

    user: NDArray[np.int64]
    row: NDArray[np.int64]
    anchor: NDArray[np.int64]
    weight: NDArray[np.float64]

    def take(self, chosen: NDArray[np.int64]) -> "_Neighbours":
        return _Neighbours(self.user[chosen], self.row[chosen], self.anchor[chosen], self.weight[chosen])


class SessionNeighbours:
    """Keeps the fitted rows and an index from items to their events."""

    name: ClassVar[str] = "session_neighbours"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "repeat_share": (0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
        "history_decay": (0.4, 0.55, 0.65, 0.75, 0.85, 0.95),
        "same_share": (0.0, 0.5, 1.0, 2.0),
        "candidate_rarity": (0.0, 0.5, 0.75, 1.0, 1.5),
        "aging": (0.0, 0.5, 1.0, 2.0, 4.0),
        "sharpness": (1.0, 1.5, 2.0, 3.0),
        "latest_decay": (0.5, 0.7, 0.85, 1.0),
        "after_decay": (0.4, 0.55, 0.7, 0.8, 0.9),
        "before_share": (0.0, 0.2, 0.35, 0.5, 0.7, 1.0),
        "before_decay": (0.5, 0.7, 0.9, 1.0),
        "repeat_decay": (0.4, 0.6, 0.8, 1.0),
        "rarity": (0.0, 0.5, 1.0, 1.5, 2.0),
        "length_damping": (0.0, 0.25, 0.5),
        "history_window": (5, 10, 20, 50),
        "neighbours": (200, 500, 1000, 2000),
    }

    def __init__(self, config: SessionNeighboursConfig = SessionNeighboursConfig()) -> None:
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:  # noqa: ARG002
        """Index the rows; nothing is drawn."""
        self._train, self._row, self._back = train, train.user, train.steps_back
        # The latest event of a row first, so that an item's latest place is found first.
        self._posting = np.argsort(train.item[::-1], kind="stable")
        self._posting = len(train.item) - 1 - self._posting
        events = np.bincount(train.item, minlength=train.items)
        self._posting_offsets = np.concatenate([[0], np.cumsum(events)]).astype(np.int64)
        self._rarity = _rarity_of(train, self._row)
        age = 1.0 - np.arange(1, len(train) + 1) / max(1, len(train))
        length = np.maximum(train.lengths, 1).astype(np.float64)
        self._prior = np.exp(-self.config.aging * age) / length**self.config.length_damping
        self._near = _nearness(self.config)

    def score(self, histories: Interactions) -> Scores:
        """What the neighbours of each history propose, shape ``(users, items)``; 0 for what none of them holds."""
        items = histories.items
        total = np.zeros(len(histories) * items)
        for asked in self._in_pieces(self._ask(histories)):
            near = self._strongest(self._find_neighbours(asked), len(histories))
            user, item, weight = self._propose(near)
            total += np.bincount(user * items + item, weight, minlength=len(total))
            repeated = self._repeat(asked, near, len(histories))
            total[asked.user * items + asked.item] += repeated
        scores = total.reshape(len(histories), items)
        return np.asarray(scores * self._rarity**self.config.candidate_rarity, np.float32)

    def _ask(self, histories: Interactions) -> _Asked:
        user, back = histories.user, histories.steps_back
        order = np.lexsort((back, histories.item, user))
        order = order[back[order] <= self.config.history_window]
        pair = user[order] * histories.items + histories.item[order]
        latest = np.sort(order[np.concatenate([np.ones(min(1, len(pair)), bool), np.diff(pair) > 0])])
        item = histories.item[latest]
        decayed = np.power(self.config.history_decay, back[latest] - 1.0)
        return _Asked(user[latest], item, back[latest], decayed * self._rarity[item] ** self.config.rarity)

    def _in_pieces(self, asked: _Asked) -> Iterator[_Asked]:
        """Whole users whose items have about so many events that one piece fits in memory."""
        events = np.diff(self._posting_offsets)[asked.item]
        piece = (np.cumsum(events) - events) // MATCHES
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(piece)), bool), np.diff(asked.user) > 0]))
        piece = np.repeat(piece[first], np.diff(np.append(first, len(piece))))
        for number in np.unique(piece):
            yield asked.take(piece == number)

    def _find_neighbours(self, asked: _Asked) -> _Neighbours:
        spots, count = gather_rows(self._posting_offsets, asked.item.astype(np.int64))
        event, place = self._posting[spots], np.repeat(np.arange(len(asked.item)), count)
        pair = asked.user[place] * max(1, len(self._train)) + self._row[event]
        order = np.lexsort((-event, asked.back[place], pair))
        pair, event, place = pair[order], event[order], place[order]
        once = _begins(pair) | _begins(place)  # an item that a row holds twice is shared once
        pair, event, place = pair[once], event[once], place[once]
        start = np.flatnonzero(_begins(pair))
        shared = np.add.reduceat(asked.weight[place], start) if len(start) else np.zeros(0)
        first = place[start]
        user, row = asked.user[first], self._row[event[start]]
        whole = np.bincount(asked.user, asked.weight)[user]
        similarity = np.power(shared / whole, self.config.sharpness)
        latest = np.power(self.config.latest_decay, asked.back[first] - 1.0)
        return _Neighbours(user, row, event[start], similarity * latest * self._prior[row])

    def _strongest(self, near: _Neighbours, users: int) -> _Neighbours:
        order = np.lexsort((-near.row, -near.weight, near.user))
        count = np.bincount(near.user, minlength=users)
        place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
        return near.take(order[place < self.config.neighbours])

    def _propose(self, near: _Neighbours) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
        spots, count = gather_rows(self._train.offsets, near.row)
        after = np.repeat(self._back[near.anchor], count) - self._back[spots]
        weight = np.repeat(near.weight, count) * self._near[np.clip(after, -REACH, REACH) + REACH]
        return np.repeat(near.user, count), self._train.item[spots], weight

    def _repeat(self, asked: _Asked, near: _Neighbours, users: int) -> NDArray[np.float64]:
        whole = np.bincount(near.user, near.weight, minlength=users)[asked.user]
        share = self.config.repeat_share * np.power(self.config.repeat_decay, asked.back - 1.0)
        return np.asarray(share * np.where(whole > 0, whole, 1.0))


def _rarity_of(train: Interactions, row: NDArray[np.int64]) -> NDArray[np.float64]:
    """Inverse document frequency of each item, above 0 for all, shape ``(items,)``."""
    held = np.unique(row * train.items + train.item) % max(1, train.items)
    rows = np.bincount(held, minlength=train.items)
    return np.asarray(np.log1p(len(train) / np.maximum(rows, 1)))


def _nearness(config: SessionNeighboursConfig) -> NDArray[np.float64]:
    """Weight of a candidate by its steps after the shared item, from ``-REACH`` to ``REACH``."""
    steps = np.arange(1, REACH + 1) - 1.0
    before = config.before_share * np.power(config.before_decay, steps[::-1])
    return np.concatenate([before, [config.same_share], np.power(config.after_decay, steps)])


def _begins(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a run of equal values begins."""
    return np.concatenate([np.ones(min(1, len(values)), bool), np.diff(values) != 0])
