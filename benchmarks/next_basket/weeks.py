"""Measures one week after the other, each in a workspace of its own; a week that was measured is not measured again."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.next_basket.inputs import DataError, write_inputs
from benchmarks.next_basket.judge_week import FACTS, ROWS
from pipelines.evaluation.lists import ONE_THREAD
from pipelines.settings import Settings
from pipelines.sources.complete_journey import CompleteJourney
from pipelines.tables import read_json, sha256, write_json
from pipelines.weeks import ShopCalendar
from pipelines.workspace import open_workspace, stage_environment

STAGES = (
    "validate_data",
    "split_weeks",
    "build_features",
    "fit_baselines",
    "train_sequence",
    "blend_candidate",
)
JUDGE = "benchmarks.next_basket.judge_week"
FIRST = 8
"""Below it too little is known: the blend is learned on the week before, from sequences of the weeks before that."""
DECIDED_BY = (
    "params.yaml",
    "pipelines/**/*.py",
    "pipelines/**/*.sql",
    *(f"benchmarks/next_basket/{name}.py" for name in ("inputs", "judge_week", "tifu")),
)

Say = Callable[[str], None]


class StageError(Exception):
    """A stage failed in a week's workspace; the message ends with what it printed."""


@dataclass(frozen=True)
class Measured:
    """What is known of one week.

    Attributes:
        week: Its number.
        rows: A row a system and household: ``system``, ``user_id``, the metrics.
        facts: What was chosen, seconds by stage, hashes of the truth and of all that it was made of.
    """

    week: int
    rows: pd.DataFrame
    facts: dict[str, Any]


def last_weeks(last: int, count: int) -> range:
    """The weeks to judge.

    Args:
        last: Of the data, or the last one asked for.
        count: How many.

    Raises:
        DataError: They begin before enough is known.
    """
    if count < 1:
        raise DataError(f"--weeks: expected at least 1, found {count}")
    first = last - count + 1
    if first < FIRST:
        raise DataError(
            f"--weeks {count}: reaches back from week {last} to week {first}, expected week {FIRST} or later (the "
            f"weeks before are learned from); ask for at most {max(last - FIRST + 1, 0)}"
        )
    return range(first, last + 1)


def measure_weeks(
    weeks: Sequence[int], folder: Path, now: str, measure: Callable[[int], str], say: Say
) -> list[Measured]:
    """Measure what ``folder`` does not hold yet, or holds from other data, parameters or code.

    Args:
        weeks: In order.
        folder: Of the results, two files a week.
        now: What a week would be :func:`made_of` now.
        measure: Writes the two files of a week.
        say: Told each week.
    """
    found = []
    for number, week in enumerate(weeks, start=1):
        kept, place = facts_file(folder, week), f"week {week} ({number} of {len(weeks)})"
        by = read_json(kept)["made_of"] if kept.is_file() else None
        if by == now:
            say(f"{place}: measured already, {kept}")
        else:
            say(f"{place}: {'measured from other data, parameters or code, ' if by else ''}begins")
            say(f"week {week}: {measure(week)}")
        found.append(Measured(week, pd.read_parquet(rows_file(folder, week)), read_json(kept)))
    return found


def rows_file(folder: Path, week: int) -> Path:
    """The rows of a week."""
    return folder / f"week-{week:02}.parquet"


def facts_file(folder: Path, week: int) -> Path:
    """The facts of a week; written last, so that a week with it is whole."""
    return folder / f"week-{week:02}.json"


@dataclass(frozen=True)
class Measurement:
    """Runs the product's stages for one week.

    Attributes:
        settings: With a home of this benchmark's own.
        source: The shop.
        data: Hash of its tables.
        calendar: Its weeks.
        folder: Where the results go.
        keep: Whether the workspace stays.
        say: Told each stage.
    """

    settings: Settings
    source: CompleteJourney
    data: str
    calendar: ShopCalendar
    folder: Path
    keep: bool
    say: Say

    def __call__(self, week: int) -> str:
        """Measure a week; gives the result in words.

        Raises:
            StageError: A stage failed.
        """
        workspace = open_workspace(self.settings, f"week-{week}").path
        basis = made_of(workspace, self.data)
        write_inputs(self.source, self.calendar, week, workspace / "data/inputs")
        seconds = {}
        for module in (*(f"pipelines.stages.{stage}" for stage in STAGES), JUDGE):
            seconds[module.rpartition(".")[2]] = self._run(module, workspace)
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(workspace / ROWS, rows_file(self.folder, week))
        facts = read_json(workspace / FACTS) | {"week": week, "made_of": basis, "seconds": seconds}
        write_json(facts_file(self.folder, week), facts)
        if not self.keep:
            shutil.rmtree(workspace)
        means = pd.read_parquet(rows_file(self.folder, week)).groupby("system")["ndcg_at_10"].mean()
        return ", ".join(f"{name} {value:.4f}" for name, value in means.sort_values(ascending=False).items())

    def _run(self, module: str, workspace: Path) -> float:
        began = time.monotonic()
        environment = stage_environment(self.settings, workspace) | (ONE_THREAD if module == JUDGE else {})
        done = subprocess.run(
            [sys.executable, "-m", module], cwd=workspace, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise StageError(
                f"{workspace}: {module} failed; it printed\n{(done.stdout + done.stderr)[-2000:]}"
            )
        seconds = round(time.monotonic() - began, 1)
        self.say(f"  {module}: {seconds} s")
        return seconds


def made_of(root: Path, data: str) -> str:
    """Hash of what decides the figures: data, parameters and code.

    Args:
        root: The checkout, or a workspace.
        data: Hash of the data.
    """
    files = sorted({file for pattern in DECIDED_BY for file in root.glob(pattern)})
    lines = [data, *(f"{file.relative_to(root)} {sha256(file)}" for file in files)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def require_writable(folder: Path) -> None:
    """Make the folder.

    Raises:
        DataError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (probe := folder / f".writable.{os.getpid()}").touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"--out {folder}: cannot be written to ({error.strerror}); name another folder"
        ) from error
