"""What is learned from, and whose next item is asked for: the last training sessions validate, the test file tests."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.sequences.splits import Questions
from benchmarks.sessions.reading import SessionFile, SessionFileError
from pipelines.retrieval.interactions import Interactions

MOST_VALIDATION = 0.15
"""Share of the training sessions that validate, at most."""
MOST_VALIDATED = 20_000
"""Validation prefixes that are ranked, at most; drawn."""
SEED = 1


@dataclass(frozen=True)
class Prefixes(Questions):
    """Beginnings of sessions, and what came next.

    Attributes:
        session: Which session each is of, ascending, shape ``(users,)``.
    """

    session: NDArray[np.int64]

    def take(self, users: NDArray[np.int64]) -> "Prefixes":
        """Some of them."""
        return replace(
            self,
            histories=self.histories.take(users),
            target=self.target[users],
            session=self.session[users],
        )


@dataclass(frozen=True)
class Split:
    """The parts of both files, over one catalog.

    Attributes:
        earlier_sessions: The training sessions before the validation ones: what is learned from while choosing.
        all_sessions: All training sessions: what is learned from when the choices are made.
        validation: Prefixes of the last training sessions.
        test: What the test file asks for.
        unseen_items: Items that are in the test file only.
    """

    earlier_sessions: Interactions
    all_sessions: Interactions
    validation: Prefixes
    test: Prefixes
    unseen_items: int


def split(train: SessionFile, test: SessionFile) -> Split:
    """Cut the last training sessions off: as many as the test file has, within a share.

    Raises:
        SessionFileError: There is nothing to learn from, to validate on or to ask for.
    """
    sessions = [row for row in train.sessions if len(row) > 1]
    if len(sessions) < 2:
        raise SessionFileError(
            f"{train.path}: expected at least two sessions of two items, found {len(sessions)}; give more sessions"
        )
    if all(len(row) < 2 for row in test.rows):
        raise SessionFileError(f"{test.path}: no line has a next item to ask for; give longer sessions")
    known = np.unique(np.concatenate([np.array(row, np.int64) for row in train.rows]))
    found = np.unique(np.concatenate([known, *(np.array(row, np.int64) for row in test.rows)]))
    count = max(1, min(len({*test.session}), round(MOST_VALIDATION * len(sessions))))
    last = sessions[-count:]
    return Split(
        _interactions(sessions[:-count], found),
        _interactions(sessions, found),
        _drawn(_every_prefix(last, list(range(count)), found)),
        _last_item(test, found) if test.asks_last_only else _every_prefix(test.rows, test.session, found),
        len(found) - len(known),
    )


def _interactions(rows: list[list[int]], items: NDArray[np.int64]) -> Interactions:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    flat = np.fromiter((item for row in rows for item in row), np.int64, int(offsets[-1]))
    place = np.arange(len(flat)) - np.repeat(offsets[:-1], np.diff(offsets))
    position = np.searchsorted(items, flat).astype(np.int32)
    return Interactions(offsets, position, place.astype(np.float64), len(items))


def _last_item(file: SessionFile, items: NDArray[np.int64]) -> Prefixes:
    return _asked(_interactions(file.rows, items), np.array(file.session, np.int64))


def _every_prefix(rows: list[list[int]], session: list[int], items: NDArray[np.int64]) -> Prefixes:
    """Prefixes of two items and more; the last of them is asked for."""
    ends = [
        (row[:end], number)
        for row, number in zip(rows, session, strict=True)
        for end in range(2, len(row) + 1)
    ]
    numbers = np.array([number for _, number in ends], np.int64)
    return _asked(_interactions([row for row, _ in ends], items), numbers)


def _asked(whole: Interactions, session: NDArray[np.int64]) -> Prefixes:
    return Prefixes(whole.without_last(1), whole.from_end(1), session)


def _drawn(prefixes: Prefixes) -> Prefixes:
    return prefixes.take(np.sort(np.random.default_rng(SEED).permutation(len(prefixes))[:MOST_VALIDATED]))
