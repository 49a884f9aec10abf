"""What a run of the benchmark has found so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.full_ranking import Ranking
from pipelines.ranking.fitting.fusing import Learned
from pipelines.retrieval.tuning import Trial

LISTED = 20


@dataclass(frozen=True)
class Asked:
    """What a ranking answers.

    Attributes:
        trained_on: The part of the split that was learned from.
        split: ``validation`` or ``test``.
    """

    trained_on: str
    split: str


VALIDATION = Asked("all_but_last_two", "validation")
TEST = Asked("all_but_last_two", "test")
TEST_REFITTED = Asked("all_but_last", "test")


@dataclass(frozen=True)
class Protocol:
    """What is asked, and what choices are judged by.

    Attributes:
        metric: On validation, higher is better.
        validation: Choices are made on this.
        tests: Reported; what is learned from another part than validation needs a refit with the choices fixed.
    """

    metric: str
    validation: Asked
    tests: tuple[Asked, ...]

    @property
    def chosen(self) -> tuple[Asked, ...]:
        """What the fit that was chosen answers itself."""
        return (self.validation, *(one for one in self.tests if one.trained_on == self.validation.trained_on))

    @property
    def refitted(self) -> tuple[Asked, ...]:
        """What is answered after a refit."""
        return tuple(one for one in self.tests if one.trained_on != self.validation.trained_on)

    @property
    def repeated(self) -> tuple[tuple[Asked, ...], ...]:
        """What each fit of a further seed answers; validation alone is not asked again: choices are made on it."""
        fits = (self.chosen, self.refitted)
        return tuple(answers for answers in fits if any(asked.split == "test" for asked in answers))


LEAVE_ONE_OUT = Protocol("ndcg_at_10", VALIDATION, (TEST, TEST_REFITTED))


@dataclass(frozen=True)
class Outcome:
    """What remains of a ranking when nobody blends it any more: ranks of the targets and the heads of the lists."""

    rank: NDArray[np.int64]
    listed: NDArray[np.int32]

    @classmethod
    def of(cls, ranking: Ranking) -> "Outcome":
        """The part of a ranking that reports need."""
        return cls(ranking.rank, np.ascontiguousarray(ranking.lists.item[:, :LISTED]))


@dataclass
class Cost:
    """What one system took.

    Attributes:
        tune_seconds: All trials.
        fit_seconds: One fit of the chosen config.
        rank_seconds: Ranking the catalog for one split.
        tokens: Events that the fit went through.
        peak_memory_mib: Of the process, while it was tuned, fitted and ranked.
        is_drawn: Another seed gives another fit.
    """

    tune_seconds: float = 0.0
    fit_seconds: float = 0.0
    rank_seconds: float = 0.0
    tokens: int = 0
    peak_memory_mib: float = 0.0
    is_drawn: bool = False


@dataclass
class Findings:
    """Filled while the benchmark runs; a report can be made of it at any time.

    Attributes:
        outcomes: By system and question, one per seed.
        costs: By system.
        trials: By system.
        configs: The chosen config by system.
        learned: How each blend was learned.
        cut: What was left out or ended early, and why.
    """

    outcomes: dict[tuple[str, Asked], list[Outcome]] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    trials: dict[str, Sequence[Trial]] = field(default_factory=dict)
    configs: dict[str, Any] = field(default_factory=dict)
    learned: dict[str, Learned] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)

    def add(self, system: str, asked: Asked, ranking: Ranking) -> None:
        """Keep what a report needs of one ranking."""
        self.outcomes.setdefault((system, asked), []).append(Outcome.of(ranking))

    def of(self, asked: Asked) -> dict[str, list[Outcome]]:
        """All outcomes of one question, by system."""
        return {system: found for (system, where), found in self.outcomes.items() if where == asked}
