"""Honest workspaces, the sabotages of copies of them, and what is kept so that nothing is done twice."""

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gate_mutation.pipeline import (
    ACTIONS,
    STAGES,
    Outcome,
    Pipeline,
    Say,
    copy_before,
    from_stage,
    read_outcome,
    write_facts,
)
from benchmarks.gate_mutation.sabotage import Sabotage, edit_params
from benchmarks.gate_mutation.shop import HouseholdShare, Trial, write_params
from benchmarks.next_basket.inputs import write_inputs
from benchmarks.next_basket.weeks import StageError
from pipelines.settings import Settings
from pipelines.tables import read_json, sha256, write_json
from pipelines.weeks import ShopCalendar
from pipelines.workspace import open_workspace, workspace_path

Row = dict[str, Any]
FIRST_SEED = 7
DECIDED_BY = ("params.yaml", "pipelines/**/*.py", "pipelines/**/*.sql", "serving/**/*.py")
OWN = ("shop", "sabotage", "of_data", "of_training", "of_packaging", "pipeline", "experiment")


def made_of(root: Path, data: str, trial: Trial) -> str:
    """Hash of what decides the outcomes: data, parameters, code and what was asked for."""
    own = [f"benchmarks/gate_mutation/{name}.py" for name in OWN]
    files = sorted({file for pattern in (*DECIDED_BY, *own) for file in root.glob(pattern)})
    lines = [data, repr(trial), *(f"{file.relative_to(root)} {sha256(file)}" for file in files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Experiment:
    """Where and of what the sabotages are made.

    Attributes:
        settings: With a home of the benchmark's own.
        source: The shop.
        calendar: Its weeks.
        trial: What is asked for.
        basis: What it is :func:`made_of`.
        folder: Of the results.
        say: Told what happens.
    """

    settings: Settings
    source: HouseholdShare
    calendar: ShopCalendar
    trial: Trial
    basis: str
    folder: Path
    say: Say

    def honest(self, week: int, seed: int) -> Row:
        """An honest training, of any week and seed; kept."""
        name = f"honest-week-{week}-seed-{seed}"
        return self._kept(name, lambda: self._honest(name, week, seed))

    def sabotage(self, one: Sabotage) -> Row:
        """Carry a sabotage out and say what caught it; kept."""
        return self._kept(one.name, lambda: self._sabotage(one))

    def is_kept(self, name: str) -> bool:
        """Whether a result is there already, of the same data, parameters and code."""
        file = self.folder / f"{name}.json"
        return file.is_file() and read_json(file)["made_of"] == self.basis

    def _kept(self, name: str, measure: Callable[[], Row]) -> Row:
        file = self.folder / f"{name}.json"
        if self.is_kept(name):
            self.say(f"{name}: done already, {file}")
        else:
            self.say(f"{name}: begins")
            began = time.monotonic()
            found = measure()
            seconds = round(time.monotonic() - began, 1)
            write_json(file, found | {"name": name, "made_of": self.basis, "total_seconds": seconds})
            self.say(f"{name}: {found['verdict']}, {', '.join(found['caught_by']) or 'nothing caught it'}")
        row: Row = read_json(file)
        return row

    def _honest(self, name: str, week: int, seed: int) -> Row:
        outcome = self._run_honest(name, week, seed)
        if (week, seed) != (self.trial.week, FIRST_SEED):
            shutil.rmtree(workspace_path(self.settings, name))
        return outcome.body() | {"week": week, "seed": seed}

    def _run_honest(self, name: str, week: int, seed: int) -> Outcome:
        workspace = open_workspace(self.settings, name).path
        write_params(workspace / "params.yaml", self.trial)
        for key in ("train_sequence.seed", "fit_baselines.als.seed"):
            edit_params(workspace, key, seed)
        write_inputs(self.source, self.calendar, week, workspace / "data/inputs")
        write_json(workspace / "data/inputs/champion/none.json", {"champion": None})
        write_facts(workspace, week)
        return Pipeline(self.settings, self.say).run(workspace, STAGES)

    def _base(self) -> Path:
        """The honest workspace that sabotages are copies of; made again when only its result was kept."""
        name = f"honest-week-{self.trial.week}-seed-{FIRST_SEED}"
        self.honest(self.trial.week, FIRST_SEED)
        workspace = workspace_path(self.settings, name)
        if not (workspace / "reports/decision.json").is_file():
            self._run_honest(name, self.trial.week, FIRST_SEED)
        if not (workspace / "reports/decision.json").is_file():
            raise StageError(f"{workspace}: the honest training broke off; see {self.folder / name}.json")
        return workspace

    def _able(self, base: Path, packs: bool) -> Sequence[str]:
        """Checks that the honest workspace passes: only they can catch anything."""
        quality = read_outcome(base, {}).passed
        if not packs:
            return quality
        row = self._kept("honest-package", lambda: self._package(base))
        return tuple(row["passed"])

    def _package(self, base: Path) -> Row:
        workspace = workspace_path(self.settings, "honest-package")
        copy_before(base, ACTIONS[0], workspace)
        return Pipeline(self.settings, self.say).run(workspace, ACTIONS).body()

    def _sabotage(self, one: Sabotage) -> Row:
        base, packs = self._base(), one.before in ACTIONS
        able = self._able(base, packs)
        workspace = workspace_path(self.settings, one.name)
        if one.before == ACTIONS[-1]:
            copy_before(workspace_path(self.settings, "honest-package"), one.before, workspace)
        else:
            copy_before(base, one.before, workspace)
        one.act(workspace)
        last = ACTIONS[-1] if packs else STAGES[-1]
        outcome = Pipeline(self.settings, self.say).run(workspace, from_stage(one.before, last))
        shutil.rmtree(workspace)
        counted = outcome.counting(able)
        about = {"kind": one.kind, "before": one.before, "half": one.half, "words": one.words}
        return (
            counted.body() | about | {"refused_as_honest": bool(outcome.caught_by) and not counted.caught_by}
        )
