"""The real stack in a home and a checkout of its own, and what a user does with it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from benchmarks.live_weeks.arguments import Plan
from benchmarks.live_weeks.spoilt_features import LINES, permuted
from pipelines.commands.progress import FollowedRun, follow
from pipelines.params import load_params
from pipelines.settings import PORT_FIELDS, Settings
from pipelines.snapshot import listed_files
from pipelines.stack import runs
from pipelines.stack.airflow_api import Airflow
from pipelines.tables import read_json

Say = Callable[[str], None]

WAIT_SECONDS = 120
ENDED = ("success", "failed", "upstream_failed", "skipped")
WHO = {f"GIT_{role}_{what}": "live_weeks" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class LiveShopError(Exception):
    """A command or a run failed that nobody sabotaged; the message ends with what it said."""


def make_checkout(source: Path, target: Path, changes: dict[str, Any]) -> None:
    """Copy the checkout, with ``changes`` of ``params.yaml`` by dotted key, and commit the copy.

    Raises:
        ParamsError: The changed parameters are not valid.
    """
    for name in listed_files(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name, follow_symlinks=False)
    file = target / "params.yaml"
    params = yaml.safe_load(file.read_text())
    for key, value in changes.items():
        section, name = key.split(".")
        params[section][name] = value
    file.write_text(yaml.safe_dump(params, sort_keys=False))
    load_params(file)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | WHO
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "The shop of this benchmark"]):
        subprocess.run(["git", *words], cwd=target, check=True, env=environment)


class LiveShop:
    """What a user does: start the stack, land, train, look at the releases, stop."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.plan, self.say = plan, say
        self.settings: Settings = plan.settings()
        self.airflow = Airflow(self.settings)

    def shoploop(self, *words: str, good: Sequence[int] = (0,)) -> str:
        """Run ``shoploop …`` in the checkout and give what it printed.

        Raises:
            LiveShopError: It ended with a code that is not in ``good``.
        """
        places = {f"SHOPLOOP_{name.upper()}": str(getattr(self.settings, name)) for name in PORT_FIELDS}
        places |= {
            f"SHOPLOOP_{name.upper()}": str(getattr(self.settings, name)) for name in ("home", "checkout")
        }
        # What is installed may be another checkout, and may be edited meanwhile: the stack runs the copy.
        places["PYTHONPATH"] = str(self.settings.checkout)
        # In a session of its own: Ctrl-C is for the benchmark, which then stops the stack by `down`.
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *words],
            cwd=self.settings.checkout,
            env=os.environ | places,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode not in good:
            raise LiveShopError(f"shoploop {' '.join(words)}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout

    @contextmanager
    def running(self) -> Iterator[None]:
        """The stack, stopped at the end however it comes to it."""
        try:
            self.say(f"Starting the stack: {self.settings.airflow}")
            self.shoploop("up")
            runs.wait_for_dags(self.airflow)
            yield
        finally:
            self.say("Stopping the stack")
            # A second Ctrl-C would leave a part of it running.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            self.shoploop("down")

    def land(self, weeks: int) -> str:
        """Land the history (0) or so many more weeks; gives the training run that this starts."""
        ingest = str(self.airflow.trigger(runs.INGEST, {"weeks": weeks})["dag_run_id"])
        done = follow(self.settings, self.airflow, runs.INGEST, ingest, self.say, terminal=False)
        if done.state != "success":
            raise LiveShopError(f"{runs.INGEST} {ingest} failed: {self.explain(done)}")
        started = runs.asset_run_of(self.airflow, ingest, WAIT_SECONDS)
        if started is None:
            raise LiveShopError(f"{runs.INGEST} {ingest} started no training in {WAIT_SECONDS} s")
        return started

    def train(self, spoilt: bool, weeks: int) -> FollowedRun:
        """Land, and follow the training that it starts to its end; ``spoilt`` while it takes its snapshot."""
        with self._spoilt_features() if spoilt else nullcontext():
            run = self.land(weeks)
            self._wait_for_snapshot(run)
        return follow(self.settings, self.airflow, runs.TRAIN, run, self.say, terminal=False)

    def decision(self, run: str) -> dict[str, Any]:
        """The quality decision of a run, empty when it came to none."""
        file = runs.decision_file(self.settings, run)
        return dict(read_json(file)) if file.is_file() else {}

    def explain(self, run: FollowedRun) -> str:
        """The end of the log of each task that failed."""
        parts = []
        for task, number in run.failed.items():
            lines = list(self.airflow.log_lines(run.dag_id, run.run_id, task, number))
            parts.append(f"{task}: " + " | ".join(lines[-8:]))
        return "\n".join(parts)

    def _wait_for_snapshot(self, run: str) -> None:
        while True:
            states = {task["task_id"]: task["state"] for task in self.airflow.tasks(runs.TRAIN, run)}
            if states.get("open_run") in ENDED:
                return
            time.sleep(1)

    @contextmanager
    def _spoilt_features(self) -> Iterator[None]:
        file = self.settings.checkout / LINES
        honest = file.read_text()
        file.write_text(permuted(honest))
        try:
            yield
        finally:
            file.write_text(honest)
