"""Tunes, fits, ranks and blends every system within the time."""

from collections.abc import Callable, Sequence
from itertools import product
from time import monotonic
from typing import Any

import numpy as np

from benchmarks.sequences.blending import Blend, learn_blend, members_of_blends
from benchmarks.sequences.findings import Asked, Cost, Findings, Protocol
from benchmarks.sequences.planning import Plan
from benchmarks.sequences.splits import Questions
from benchmarks.sequences.systems import System, depends_on_seed, tokens_of
from benchmarks.sequences.watching import Progress
from pipelines.evaluation.full_ranking import Ranking, Seen, metrics_at, rank_catalog, target_ranks
from pipelines.ranking.fitting.weights import WeightsError
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever
from pipelines.retrieval.tuning import Deadline, Trial, Tuned, choices_of, tune

SEED = 1
DEPTH = 300
"""Candidates that a retriever hands on to a blend."""
JUDGED_USERS = 8_000
"""Validation users that choices are tuned on, at most; the same for all."""


class Experiment:
    """One run. What must not be missing comes first: further seeds and trials only take the time that is left.

    Args:
        split: The parts of the file: ``validation``, ``test`` and what the protocol learns from, by its names.
        protocol: What is asked, and what choices are judged by.
        seen: Whether items of the history are ranked.
        plan: How the time is shared out.
        deadline: Of the run.
        progress: Says what goes on.
    """

    def __init__(
        self,
        split: Any,
        protocol: Protocol,
        seen: Seen,
        plan: Plan,
        deadline: Deadline,
        progress: Progress,
    ) -> None:
        self._split, self._protocol, self._seen, self._plan = split, protocol, seen, plan
        self._deadline, self._progress = deadline, progress
        self._rankings: dict[tuple[str, Asked], Ranking] = {}
        self._judged = split.validation.take(_drawn(len(split.validation), JUDGED_USERS))
        self.findings = Findings()

    def run(self, systems: Sequence[System]) -> Findings:
        """Measure everything that the time suffices for."""
        for place, system in enumerate(systems):
            self._attempt(self._choose, system, systems[place:])
        chosen = [
            system
            for system in systems
            if all((system.name, asked) in self._rankings for asked in self._protocol.chosen)
        ]
        blends = self._learn_blends(chosen)
        self._rank_blends(blends, self._protocol.chosen)
        for system in chosen:
            self._attempt(self._refit, system, SEED, self._protocol.refitted)
        self._rank_blends(blends, self._protocol.refitted)
        self._repeat(chosen, blends)
        return self.findings

    def _attempt(self, work: Callable[..., None], system: System, *given: Any) -> None:
        """Work on one system; one that fails does not take the report of the others with it."""
        try:
            work(system, *given)
        except Exception as error:
            self.cut(f"{system.name}: failed with {type(error).__name__}: {error}")

    def cut(self, what: str) -> None:
        """Say, now and in the report, what is left out."""
        self.findings.cut.append(what)
        self._progress.note(what)

    def _choose(self, system: System, rest: Sequence[System]) -> None:
        if self.findings.configs and self._deadline.left < self._plan.finish:
            self.cut(f"{system.name}: left out, the time is used up")
            return
        self._progress.fresh_peak()
        with self._progress.during(f"{system.name}: {'fitting' if system.is_settled else 'tuning'}"):
            tuned = self._fit_settled(system) if system.is_settled else self._tune(system, rest)
        if tuned.is_cut:
            self.cut(f"{system.name}: the time ended its tuning after {len(tuned.trials)} trials")
        self.findings.trials[system.name] = tuned.trials
        self.findings.configs[system.name] = tuned.best.config
        tune_seconds = 0.0 if system.is_settled else sum(trial.seconds for trial in tuned.trials)
        cost = Cost(tune_seconds, tuned.best.seconds)
        cost.is_drawn = self._is_drawn(system)
        self.findings.costs[system.name] = cost
        for asked in self._protocol.chosen:
            seconds = self._rank(system, tuned.retriever, asked)
            cost.rank_seconds = seconds * len(self._split.test) / max(1, len(self._questions(asked)))
        cost.peak_memory_mib = self._progress.peak_mib

    def _fit_settled(self, system: System) -> Tuned:
        retriever, began = system.make(system.config), monotonic()
        retriever.fit(self._learned_from(self._protocol.validation), seed=SEED)
        seconds = monotonic() - began
        trial = Trial(system.config, system.config, self._quality(retriever), seconds)
        return Tuned(retriever, trial, [trial], is_cut=False)

    def _tune(self, system: System, rest: Sequence[System]) -> Tuned:
        share = self._plan.share(self._deadline.left, rest, list(self.findings.costs.values()))

        best = float("-inf")

        def tell(trial: Trial) -> None:
            nonlocal best
            if trial.fault or trial.quality > best:
                said = trial.fault or f"{self._protocol.metric} {trial.quality:.4f} on validation"
                self._progress.note(f"{system.name}: {said} with {changes(system.config, trial.config)}")
            best = max(best, trial.quality)

        return tune(
            system.make(system.config),
            system.make,
            self._learned_from(self._protocol.validation),
            self._quality,
            seed=SEED,
            deadline=Deadline(share),
            refits=self._plan.refits(system),
            tell=tell,
        )

    def _quality(self, retriever: Retriever) -> float:
        rank = target_ranks(retriever, self._judged.histories, self._judged.target, self._seen)
        return float(metrics_at(rank)[self._protocol.metric].mean())

    def _learned_from(self, asked: Asked) -> Interactions:
        train: Interactions = getattr(self._split, asked.trained_on)
        return train

    def _questions(self, asked: Asked) -> Questions:
        questions: Questions = getattr(self._split, asked.split)
        return questions

    def _rank(self, system: System, retriever: Retriever, asked: Asked) -> float:
        """Rank, and say how many seconds it took."""
        began, questions = monotonic(), self._questions(asked)
        with self._progress.during(f"{system.name}: ranking for {asked.split}"):
            ranking = rank_catalog(
                retriever, questions.histories, questions.target, seen=self._seen, depth=DEPTH
            )
        self._rankings[system.name, asked] = ranking
        self.findings.add(system.name, asked, ranking)
        return monotonic() - began

    def _learn_blends(self, systems: Sequence[System]) -> list[tuple[Blend, list[str]]]:
        blends = []
        for name, members in members_of_blends(systems).items():
            rankings = {member: self._rankings[member, self._protocol.validation] for member in members}
            try:
                with self._progress.during(f"{name}: learning weights"):
                    blend = learn_blend(name, rankings, self._split.validation, self._deadline.is_over)
            except WeightsError as error:
                self.cut(f"{name}: {error}")
                continue
            self.findings.learned[name] = blend.learned
            blends.append((blend, members))
        return blends

    def _rank_blends(self, blends: Sequence[tuple[Blend, list[str]]], answers: Sequence[Asked]) -> None:
        for (blend, members), asked in product(blends, answers):
            there = {name: self._rankings[name, asked] for name in members if (name, asked) in self._rankings}
            if len(there) < len(members):
                self.cut(
                    f"{blend.name}: not ranked on {asked.split} ({asked.trained_on}): a member is missing"
                )
                continue
            with self._progress.during(f"{blend.name}: ranking for {asked.split}"):
                self.findings.add(blend.name, asked, blend.rank(asked, self._questions(asked), there))

    def _refit(self, system: System, seed: int, answers: Sequence[Asked]) -> None:
        """Fit the chosen config on what the answers are learned from, and rank for each of them."""
        cost, config = self.findings.costs[system.name], self.findings.configs[system.name]
        train = self._learned_from(answers[0])
        retriever, began = system.make(config), monotonic()
        with self._progress.during(f"{system.name}: fitting on {answers[0].trained_on}, seed {seed}"):
            retriever.fit(train, seed=seed)
        cost.fit_seconds, cost.tokens = monotonic() - began, tokens_of(config, len(train.item))
        for asked in answers:
            self._rank(system, retriever, asked)

    def _repeat(self, systems: Sequence[System], blends: Sequence[tuple[Blend, list[str]]]) -> None:
        """Fit what is drawn with further seeds, and rank it and the blends, while the time suffices."""
        if self._plan.seeds == 1:
            return
        costs = self.findings.costs
        drawn = [system for system in systems if costs[system.name].is_drawn]
        seconds = self._plan.seconds_of_a_seed([costs[system.name] for system in drawn])
        for seed in range(SEED + 1, SEED + self._plan.seeds):
            if self._deadline.left - self._plan.closing < seconds:
                self.cut(
                    f"seeds {seed} to {self._plan.seeds}: a seed takes {seconds:.0f} s, the time is used up"
                )
                return
            for system, answers in product(drawn, self._protocol.repeated):
                self._attempt(self._refit, system, seed, answers)
            for answers in self._protocol.repeated:
                self._rank_blends(blends, answers)

    def _is_drawn(self, system: System) -> bool:
        return system.is_neural or depends_on_seed(
            system.make, self.findings.configs[system.name], self._learned_from(self._protocol.validation)
        )


def changes(start: Any, config: Any) -> str:
    """What differs from where tuning began."""
    before = choices_of(start)
    found = [f"{name} {value}" for name, value in choices_of(config).items() if value != before[name]]
    return ", ".join(found) or "the choices it begins with"


def _drawn(count: int, most: int) -> np.ndarray:
    return np.sort(np.random.default_rng(SEED).permutation(count)[:most])
