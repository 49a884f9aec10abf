"""From interactions to the steps of an epoch: bucketed rows, targets and shared negatives. NumPy only.

What an epoch holds depends on the seed and on its number alone, so that a resumed fit sees what it would have seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.rows import gather_rows

Places = NDArray[np.int32]
Reals = NDArray[np.float32]

RARELY = 1e-12


@dataclass(frozen=True)
class Part:
    """What one pass forward and back takes; places point into the step's ``rows``.

    Attributes:
        event: Padded on the right, shape ``(sequences, longest)``.
        spot: Flat positions of ``event`` that predict something, shape ``(targets,)``.
        target: What they predict, same shape.
        target_log_chance: What is taken off the target's logit, same shape.
        weight: Of each target: one over those of the whole step.
    """

    event: Places
    spot: Places
    target: Places
    target_log_chance: Reals
    weight: np.float32

    @classmethod
    def nothing(cls) -> "Part":
        """What a replica computes for which a small step has no part: one event that predicts nothing."""
        none = np.zeros(0, np.int32)
        return cls(np.zeros((1, 1), np.int32), none, none, np.zeros(0, np.float32), np.float32(0))


@dataclass(frozen=True)
class Step:
    """One update of the weights.

    Attributes:
        rows: Rows of the embedding table that the step touches, each once, ascending.
        negative: Places of the drawn items in ``rows``, shape ``(negatives,)``.
        negative_log_chance: What is taken off their logits, same shape.
        parts: Computed one after the other, or by several replicas.
    """

    rows: Places
    negative: Places
    negative_log_chance: Reals
    parts: list[Part]

    @property
    def targets(self) -> int:
        """How many predictions it holds."""
        return sum(len(part.spot) for part in self.parts)


@dataclass(frozen=True)
class Moments:
    """Where each moment of the interactions begins.

    Attributes:
        of_event: Number of each event's moment over all rows, shape ``(events,)``.
        begins: First event of each moment and, at the end, the number of events.
        row: Row of each moment, -1 at the end.
    """

    of_event: NDArray[np.int64]
    begins: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, interactions: Interactions) -> "Moments":
        """Count them."""
        user, events = interactions.user, len(interactions.item)
        starts = np.ones(events, bool)
        starts[1:] = (np.diff(user) > 0) | (np.diff(interactions.moment) > 0)
        begins = np.flatnonzero(starts)
        return cls(np.cumsum(starts) - 1, np.append(begins, events), np.append(user[begins], -1))

    def draw_next(self, event: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """An event of the next moment of the same row, -1 where there is none.

        Args:
            event: Shape ``(n,)``.
            random: Which event of a moment of several.
        """
        now = self.of_event[event]
        then = np.minimum(now + 1, len(self.begins) - 1)
        there = self.row[then] == self.row[now]
        first = self.begins[then]
        size = self.begins[np.minimum(then + 1, len(self.begins) - 1)] - first
        return np.where(there, first + (random.random(len(event)) * size).astype(np.int64), -1)


class Epochs:
    """The steps of every epoch of a fit."""

    def __init__(self, train: Interactions, config: NeuralConfig, seed: int) -> None:
        """Cut the rows into pieces of at most ``config.length`` events, from their ends."""
        self._train, self._config, self._seed = train, config, seed
        self._moments = Moments.of(train)
        self._starts, self._lengths = _pieces(train, config.length)
        counts = np.bincount(train.item, minlength=train.items).astype(np.float64)
        self._cumulative = np.cumsum(np.where(counts > 0, counts**config.popularity, 0.0))
        chance = np.diff(self._cumulative, prepend=0.0) / max(self._cumulative[-1], RARELY)
        self._log_chance = np.log(np.maximum(config.negatives * chance, RARELY)).astype(np.float32)

    def steps(self, epoch: int) -> Iterator[Step]:
        """Those of one epoch, in an order of their own."""
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(len(self._starts))
        order = order[np.argsort(self._lengths[order], kind="stable")]
        group = (np.cumsum(self._lengths[order]) - 1) // self._config.batch
        cuts = np.flatnonzero(np.diff(group)) + 1
        chunks = np.split(order, cuts)
        for place in random.permutation(len(chunks)):
            step = self._step(chunks[place], np.random.default_rng([self._seed, epoch, place]))
            if step.targets:
                yield step

    def _step(self, pieces: NDArray[np.int64], random: np.random.Generator) -> Step:
        config = self._config
        draws = np.searchsorted(
            self._cumulative, random.random(config.negatives) * self._cumulative[-1], "right"
        )
        draws = np.minimum(draws, self._train.items - 1)
        raw = [self._part(part, random) for part in np.array_split(pieces, config.accumulate) if len(part)]
        columns = [draws + 1, *(column for event, _, target in raw for column in (event.ravel(), target))]
        rows, place = np.unique(np.concatenate(columns), return_inverse=True)
        placed = iter(np.split(place.astype(np.int32), np.cumsum([len(column) for column in columns])[:-1]))
        negative, targets = next(placed), sum(len(target) for *_, target in raw)
        parts = [
            Part(
                next(placed).reshape(event.shape),
                spot.astype(np.int32),
                next(placed),
                self._log_chance[target - 1],
                np.float32(1 / max(targets, 1)),
            )
            for event, spot, target in raw
        ]
        return Step(rows.astype(np.int32), negative, self._log_chance[draws], parts)

    def _part(
        self, pieces: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Table rows of the events, and spot and table row of the targets."""
        lengths, longest = self._lengths[pieces], int(self._lengths[pieces].max())
        within = np.arange(longest)
        there = within < lengths[:, None]
        event = np.where(there, self._starts[pieces][:, None] + within, 0)
        shown = there & (random.random(there.shape) >= self._config.item_dropout)
        spots = np.flatnonzero(there)
        found = self._moments.draw_next(event.ravel()[spots], random)
        event = np.where(shown, self._train.item[event] + 1, 0)
        return event, spots[found >= 0], self._train.item[found[found >= 0]].astype(np.int64) + 1


def _pieces(train: Interactions, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First event and length of each piece; the last piece of a row is the longest."""
    pieces = -(-train.lengths // length)
    back = gather_rows(np.concatenate([[0], np.cumsum(pieces)]), np.arange(len(train)))[0]
    row = np.repeat(np.arange(len(train)), pieces)
    number = back - np.repeat(np.cumsum(pieces) - pieces, pieces)
    ends = train.offsets[1:][row] - number * length
    starts = np.maximum(ends - length, train.offsets[:-1][row])
    return starts, ends - starts
