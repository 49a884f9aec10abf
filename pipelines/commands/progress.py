"""Showing a DAG run while it runs: a line per finished task, and what runs now."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.settings import Settings
from pipelines.stack.airflow_api import Airflow
from pipelines.workspace import workspace_of

Say = Callable[[str], None]
HEARTBEAT_SECONDS = 15
POLL_SECONDS = 1.0
SHOWN_STATES = {"success": "done", "failed": "FAILED", "up_for_retry": "failed, is tried again after"}
TRAINING_TASKS = ("train_sequence", "tune_sequence")
FRAMES = ("::group::", "::endgroup::")
"""Lines by which Airflow's page folds a log."""


@dataclass(frozen=True)
class FollowedRun:
    """A DAG run that ended.

    Attributes:
        dag_id: Its DAG.
        run_id: Its id in Airflow.
        state: ``success`` or ``failed``.
        task_seconds: How long each task that ran took, in the order in which they ended.
        failed: Task ids that failed, with the number of their last try.
    """

    dag_id: str
    run_id: str
    state: str
    task_seconds: dict[str, float]
    failed: dict[str, int]

    def took(self, task_id: str) -> bool:
        """Whether the run went through ``task_id``."""
        return task_id in self.task_seconds


class Display:
    """Prints finished lines for good; what runs now is one changing line, or a rare heartbeat in a log.

    Args:
        say: Prints a line; also decides between stdout and stderr.
        terminal: Whether lines may be rewritten.
    """

    def __init__(self, say: Say, terminal: bool) -> None:
        self._say = say
        self._terminal = terminal
        self._shown = False
        self._spoke = time.monotonic()

    def line(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        self._say(text)
        self._spoke = time.monotonic()

    def now(self, text: str) -> None:
        """What goes on at the moment."""
        if self._terminal:
            self._clear()
            sys.stdout.write(f"\x1b[2m{text[: _columns()]}\x1b[0m")
            sys.stdout.flush()
            self._shown = bool(text)
        elif text and time.monotonic() - self._spoke > HEARTBEAT_SECONDS:
            self.line(text)

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r\x1b[2K")
            sys.stdout.flush()
            self._shown = False


def follow(
    settings: Settings, airflow: Airflow, dag_id: str, run_id: str, say: Say, terminal: bool
) -> FollowedRun:
    """Show a run until it ends.

    Raises:
        AirflowError: Airflow went away.
    """
    display, seen = Display(say, terminal), set[tuple[str, str, int]]()
    workspace = workspace_of(settings, dag_id, run_id)
    began = time.monotonic()
    while True:
        # The run first: when it has ended, the tasks read after it are all in their last state.
        state = airflow.run(dag_id, run_id)["state"]
        tasks = airflow.tasks(dag_id, run_id)
        _show_changes(tasks, seen, display)
        if state in ("success", "failed"):
            display.now("")
            return _followed(dag_id, run_id, state, tasks)
        display.now(_present(settings, tasks, workspace, time.monotonic() - began))
        time.sleep(POLL_SECONDS)


def failure_report(settings: Settings, airflow: Airflow, run: FollowedRun, lines: int = 25) -> str:
    """Which tasks failed, the end of their logs, and where the whole logs lie."""
    parts = [f"{run.dag_id} failed ({run.run_id})."]
    for task_id, try_number in run.failed.items():
        told = airflow.log_lines(run.dag_id, run.run_id, task_id, try_number)
        log = [line for line in told if not line.startswith(FRAMES)]
        parts.append(f"\nTask {task_id} failed at try {try_number}. The end of its log:")
        parts += [f"  | {line}" for line in log[-lines:]]
        parts.append(f"Full log: {log_path(settings, run, task_id, try_number)}")
    parts.append(f"\nIn the browser: {run_url(settings, run.dag_id, run.run_id)}")
    parts.append("When the cause is corrected, clear the task there, or run the command again.")
    return "\n".join(parts)


def log_path(settings: Settings, run: FollowedRun, task_id: str, try_number: int) -> Path:
    """Where Airflow keeps the log of a try."""
    folder = settings.home / "airflow" / "logs" / f"dag_id={run.dag_id}" / f"run_id={run.run_id}"
    return folder / f"task_id={task_id}" / f"attempt={try_number}.log"


def run_url(settings: Settings, dag_id: str, run_id: str) -> str:
    """The page of a run in Airflow."""
    return f"{settings.airflow}/dags/{dag_id}/runs/{run_id}"


def training_progress(workspace: Path) -> str:
    """How far the training is, from its side channel; empty when there is none."""
    try:
        found: dict[str, Any] = json.loads((workspace / "run" / "training.json").read_text())
        return ", ".join(f"{name} {_figure(value)}" for name, value in found.items())
    except (OSError, ValueError, AttributeError):
        return ""  # not written yet, or caught while it is being replaced


def _show_changes(tasks: list[dict[str, Any]], seen: set[tuple[str, str, int]], display: Display) -> None:
    for task in sorted(tasks, key=lambda task: task["end_date"] or "9"):
        change = (task["task_id"], str(task["state"]), task["try_number"])
        if task["state"] in SHOWN_STATES and change not in seen:
            seen.add(change)
            display.line(
                f"  {task['task_id']:<22} {SHOWN_STATES[task['state']]:<8} {_duration(task):>7.1f} s"
            )


def _present(settings: Settings, tasks: list[dict[str, Any]], workspace: Path, elapsed: float) -> str:
    running = [task for task in tasks if task["state"] in ("running", "deferred", "queued", "restarting")]
    if not running:
        return f"  ... {elapsed:.0f} s, waiting for Airflow to schedule the next task"
    return f"  ... {elapsed:.0f} s, " + ", ".join(_running(settings, task, workspace) for task in running)


def _running(settings: Settings, task: dict[str, Any], workspace: Path) -> str:
    if task["state"] == "deferred" and task["task_id"] == "approve_release":
        return f"approve_release waits for your approval at {settings.airflow}/required_actions"
    detail = training_progress(workspace) if task["task_id"] in TRAINING_TASKS else ""
    return f"{task['task_id']} {task['state']} for {_duration(task):.0f} s" + (
        f" ({detail})" if detail else ""
    )


def _followed(dag_id: str, run_id: str, state: str, tasks: list[dict[str, Any]]) -> FollowedRun:
    ended = sorted((task for task in tasks if task["end_date"]), key=lambda task: str(task["end_date"]))
    ran = {task["task_id"]: _duration(task) for task in ended if task["state"] in ("success", "failed")}
    failed = {task["task_id"]: int(task["try_number"]) for task in ended if task["state"] == "failed"}
    return FollowedRun(dag_id, run_id, state, ran, failed)


def _duration(task: dict[str, Any]) -> float:
    if task["duration"] is not None and task["end_date"]:
        return float(task["duration"])
    if not task["start_date"]:
        return 0.0
    return max(0.0, time.time() - datetime.fromisoformat(task["start_date"]).timestamp())


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns - 1
