"""A search for better choices within a budget of time, by Optuna: hopeless trials are ended early."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from pipelines.params import TrainSequence, TuneSequence

Judge = Callable[[TrainSequence, int], float]
Tell = Callable[[str], None]
BEGAN = "began"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Trial:
    """One set of choices and what it was worth.

    Attributes:
        number: In the order of the search; 0 are the choices of ``params.yaml``.
        choices: By field of ``train_sequence``.
        quality: Per origin, in the order in which they were asked; fewer than all when it was ended early.
    """

    number: int
    choices: Mapping[str, float]
    quality: tuple[float, ...]


class Search:
    """A search that goes on where it was when it is opened again.

    Args:
        params: The choices to begin with and to compare with.
        tuning: What may be tried.
        origins: Weeks to judge on, the first one first.
        journal: File that keeps every trial.
    """

    def __init__(
        self, params: TrainSequence, tuning: TuneSequence, origins: Sequence[int], journal: Path
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.params, self.tuning, self.origins = params, tuning, tuple(origins)
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))),
            study_name="tune_sequence",
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=tuning.seed, n_startup_trials=tuning.startup_trials),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=tuning.startup_trials),
            load_if_exists=True,
        )
        if BEGAN not in self._study.user_attrs:
            self._study.set_user_attr(BEGAN, time.time())
        # Also when a first opening was killed in the middle of its first trial.
        if not self._study.get_trials(states=(TrialState.WAITING, *DONE)):
            self._study.enqueue_trial({name: getattr(params, name) for name in tuning.search})

    def run(self, judge: Judge, seconds: float, spared: int, tell: Tell) -> None:
        """Try choices until the time is used up, counted from the first opening; at least the first two trials.

        Args:
            judge: Quality of choices on an origin, higher is better.
            seconds: The budget. A trial is begun when the longest one so far would still fit.
            spared: For how many judgements time is left over at the end.
            tell: Told each result.
        """
        end = self._study.user_attrs[BEGAN] + seconds
        longest = 0.0
        while len(self.trials) < 2 or time.time() + longest * (1 + spared / len(self.origins)) < end:
            began = time.time()
            self._study.optimize(lambda trial: self._try(trial, judge), n_trials=1)
            longest = max(longest, time.time() - began)
            tell(self._sentence(self.trials[-1]))

    @property
    def trials(self) -> list[Trial]:
        """Those that were judged, on all origins or until they were ended."""
        return [_trial(found) for found in self._study.get_trials(states=DONE)]

    @property
    def best(self) -> Trial:
        """The trial of the best mean quality over all origins."""
        return _trial(self._study.best_trial)

    def with_choices(self, choices: Mapping[str, float]) -> TrainSequence:
        """``train_sequence`` with other values in it."""
        return TrainSequence.model_validate(self.params.model_dump() | dict(choices))

    def _try(self, trial: optuna.Trial, judge: Judge) -> float:
        choices = {name: self._draw(trial, name) for name in self.tuning.search}
        params, quality = self.with_choices(choices), list[float]()
        for step, week in enumerate(self.origins):
            quality.append(judge(params, week))
            trial.set_user_attr("quality", quality)
            mean = sum(quality) / len(quality)
            trial.report(mean, step)
            if trial.should_prune() and step + 1 < len(self.origins):
                raise optuna.TrialPruned
        return mean

    def _draw(self, trial: optuna.Trial, name: str) -> float:
        values = self.tuning.search[name]
        if isinstance(getattr(self.params, name), int):
            return trial.suggest_int(name, int(values.low), int(values.high), log=values.log)
        return _rounded(trial.suggest_float(name, values.low, values.high, log=values.log))

    def _sentence(self, trial: Trial) -> str:
        figures = ", ".join(
            f"week {week} {value:.4f}" for week, value in zip(self.origins, trial.quality, strict=False)
        )
        cut = "" if len(trial.quality) == len(self.origins) else " (ended early)"
        return (
            f"trial {trial.number}: {words(trial.choices)}: {figures}{cut}; best is trial {self.best.number}"
        )


def words(choices: Mapping[str, float]) -> str:
    """Choices for people to read."""
    return ", ".join(f"{name} {value:.4g}" for name, value in choices.items())


def _trial(found: FrozenTrial) -> Trial:
    quality: Any = found.user_attrs.get("quality", [])
    choices = {name: _rounded(value) for name, value in found.params.items()}
    return Trial(found.number, choices, tuple(quality))


def _rounded(value: float) -> float:
    """Three digits, for a person to copy; a whole number stays one."""
    return value if isinstance(value, int) else float(f"{value:.3g}")
