"""Finds a retriever's choices on validation items within a time: coordinate search over the values it declares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever, Watch

WORTH_IT = 1e-6

Make = Callable[[Any], Retriever]
Judge = Callable[[Retriever], float]


class TuningError(Exception):
    """No choices gave a retriever; the message says why the last did not."""


class Deadline:
    """A time that something may take.

    Args:
        seconds: From now.
        clock: Seconds that never go back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._end = clock, clock() + seconds

    @property
    def left(self) -> float:
        """Seconds, 0 when it is over."""
        return max(0.0, self._end - self._clock())

    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0.0

    def part(self, share: float) -> "Deadline":
        """A deadline that has a share of what is left."""
        return Deadline(self.left * share, self._clock)


@dataclass(frozen=True)
class Trial:
    """One fit.

    Attributes:
        asked: The choices.
        config: The same, after a watched fit with what it found.
        quality: Of the validation items, higher is better; minus infinity when the fit failed.
        seconds: Fit and judgement.
        fault: Why the fit failed.
    """

    asked: Any
    config: Any
    quality: float
    seconds: float
    fault: str = ""


@dataclass(frozen=True)
class Tuned:
    """What was found.

    Attributes:
        retriever: The best one, fitted.
        best: Its trial.
        trials: All, in the order in which they were made; the first has the choices that tuning began with.
        is_cut: Whether the time ended before the search did.
    """

    retriever: Retriever
    best: Trial
    trials: Sequence[Trial]
    is_cut: bool


def tune(
    start: Retriever,
    make: Make,
    train: Interactions,
    judge: Judge,
    *,
    seed: int,
    deadline: Deadline,
    refits: float,
    tell: Callable[[Trial], None],
) -> Tuned:
    """Fit with the retriever's own choices, then change one after another while that helps.

    The first fit is always made; a further one only when it, and the later refits of the best, fit into the time.

    Args:
        start: Says where to begin and what may be tried; is not fitted.
        make: Builds a retriever from a config.
        train: What each trial is fitted on.
        judge: Quality of a fitted retriever on validation items.
        seed: The same for all trials.
        deadline: Of the search and of the refits together.
        refits: How many fits of the best choices are to be made later, in times of such a fit.
        tell: Is given every trial when it ends.

    Raises:
        TuningError: Every fit failed.
    """
    search = _Search(make, train, judge, seed, deadline, refits, tell)
    search.attempt(start.config)
    improves = bool(start.choices)
    while improves and not search.is_cut:
        moves = [search.walk(name, values) for name, values in start.choices.items()]
        improves = any(moves)
    return search.result()


class _Search:
    """What was tried, and the best of it."""

    def __init__(
        self,
        make: Make,
        train: Interactions,
        judge: Judge,
        seed: int,
        deadline: Deadline,
        refits: float,
        tell: Callable[[Trial], None],
    ) -> None:
        self._make, self._train, self._judge, self._seed = make, train, judge, seed
        self._deadline, self._refits, self._tell = deadline, refits, tell
        self._retriever: Retriever | None = None
        self._trials: dict[Any, Trial] = {}
        self._best: Trial | None = None
        self.is_cut = False

    def walk(self, name: str, values: Sequence[Any]) -> bool:
        """Move one choice while that helps: numbers up or else down, other values through all; whether it helped."""
        if not all(isinstance(value, int | float) for value in values):
            return sum(self.attempt(self._changed(name, value)) for value in values) > 0
        return self._climb(name, sorted(values)) or self._climb(name, sorted(values, reverse=True))

    def _climb(self, name: str, values: Sequence[Any]) -> bool:
        own = getattr(self._asked, name)
        ahead = [value for value in values if (value > own) == (values[-1] > values[0]) and value != own]
        moves = 0
        for value in ahead:
            if not self.attempt(self._changed(name, value)):
                break
            moves += 1
        return moves > 0

    def _changed(self, name: str, value: Any) -> Any:
        return replace(self._asked, **{name: value})

    @property
    def _asked(self) -> Any:
        assert self._best is not None, "the first attempt is always made"
        return self._best.asked

    def attempt(self, config: Any) -> bool:
        """Fit and judge; whether it is the best so far. What was tried, or has no time left, is not."""
        if config in self._trials or not self._has_time():
            return False
        retriever = self._make(config)
        trial = self._fit(retriever)
        self._trials[config] = trial
        self._tell(trial)
        if self._best is not None and trial.quality <= self._best.quality + WORTH_IT:
            return False
        self._best, self._retriever = trial, None if trial.fault else retriever
        return True

    def _fit(self, retriever: Retriever) -> Trial:
        began, asked = monotonic(), retriever.config
        fit = self._deadline.part(1.0 / (1.0 + self._refits))
        try:
            retriever.fit(self._train, seed=self._seed, watch=Watch(self._judge, fit.is_over))
            quality = self._judge(retriever)
        except Exception as error:  # choices that do not suit: a loss that is no number, too little memory
            return Trial(asked, asked, float("-inf"), monotonic() - began, f"{type(error).__name__}: {error}")
        return Trial(asked, retriever.config, quality, monotonic() - began)

    def _has_time(self) -> bool:
        if self._best is not None:
            needed = self._best.seconds * (1.0 + self._refits)
            self.is_cut |= self._deadline.is_over() or self._deadline.left < needed
        return not self.is_cut

    def result(self) -> Tuned:
        """The best of all."""
        trials = list(self._trials.values())
        if self._retriever is None or self._best is None:
            raise TuningError(f"no fit succeeded: {trials[-1].fault}")
        return Tuned(self._retriever, self._best, trials, self.is_cut)


def choices_of(config: Any) -> Mapping[str, Any]:
    """The choices as a mapping, for reports."""
    return {name: getattr(config, name) for name in getattr(config, "__dataclass_fields__", {})}
