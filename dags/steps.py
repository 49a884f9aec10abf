"""How a task of any DAG here runs: one `shoploop action` as a subprocess, its output in the task's log.

The work is in ``pipelines``; an Airflow worker imports none of it.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import HITLBranchOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, BranchMixIn, CronTriggerTimetable, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from pipelines.params import Params, load_params
from pipelines.settings import settings
from pipelines.workspace import RUN_FOLDER, stage_environment, workspace_of

NOT_WORTH_RETRYING = 2
"""Exit code of an action that would fail the same way again (bad input, bad parameters)."""
CHOICES = (
    (
        "split_weeks.history_weeks",
        "History (weeks)",
        "How many weeks before the decision week are learned from",
    ),
    ("train_sequence.model_size", "Model size", "Of the sequence model; params.yaml says what each one is"),
    ("train_sequence.epochs", "Epochs", "Passes over the history at most"),
)
"""Parameters that the form offers: dotted key of ``params.yaml``, title, meaning."""
JSON_SCHEMA_WORDS = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
STOP_SECONDS = 10
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Action(BaseOperator):  # type: ignore[misc]
    """Runs ``shoploop action <task id> …`` inside the workspace of this DAG run.

    The action's JSON result (``run/<task id>.json`` in the workspace) becomes the task's result. A result
    with ``note`` writes the run's note; one with ``skip`` skips the task, and says why; one with ``again_in``
    frees the worker and runs the action again after so many seconds.

    Args:
        arguments: Options of the action, templated; empty ones are left out.
        action: Name of the action when it is not the task id.
        opens: Whether the action makes the workspace, and so runs from the checkout.
    """

    template_fields: Sequence[str] = ("arguments",)
    ui_color = "#e8f4ea"

    def __init__(
        self, *, arguments: Sequence[str] = (), action: str = "", opens: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.arguments = list(arguments)
        self.action = action or self.task_id
        self.opens = opens
        self._process: psutil.Popen | None = None
        self._was_killed = False

    def execute(self, context: Any) -> Any:
        """Run the action and give its result."""
        dag_id, run_id = context["dag"].dag_id, context["run_id"]
        workspace = workspace_of(settings(), dag_id, run_id)
        self._run(workspace)
        result = _result_of(workspace, self.task_id)
        if note := result.get("note"):
            self._try_to_note(dag_id, run_id, str(note))
        if reason := result.get("skip"):
            raise AirflowSkipException(str(reason))
        if seconds := result.get("again_in"):
            delay = timedelta(seconds=float(seconds))
            self.defer(trigger=TimeDeltaTrigger(delay), method_name="wake")
        return self.follow(context, result)

    def wake(self, context: Any, event: Any) -> Any:  # noqa: ARG002 - the trigger gives the moment
        """Run the action again, which goes on from where things are."""
        return self.execute(context)

    def follow(self, context: Any, result: dict[str, Any]) -> Any:  # noqa: ARG002 - for operators that branch
        """What the task returns; a branch decides here."""
        return result

    def on_kill(self) -> None:
        """End the action and all it started: also called when the task takes too long."""
        if self._process is not None:
            self._was_killed = True
            _end_tree(self._process)

    def _try_to_note(self, dag_id: str, run_id: str, note: str) -> None:
        from pipelines.stack.airflow_api import AirflowError

        # The action has acted: a failure now would have it act again, for a line in the web UI.
        try:
            write_note(dag_id, run_id, note)
        except AirflowError as error:
            self.log.warning("The note of this run was not written: %s", error)

    def _run(self, workspace: Path) -> None:
        given = [word for word in self.arguments if word]
        command = [
            sys.executable,
            "-m",
            "pipelines.cli",
            "action",
            self.action,
            "--workspace",
            str(workspace),
            *given,
        ]
        self.log.info("$ shoploop %s", " ".join(command[3:]))
        folder = settings().checkout if self.opens else workspace
        with psutil.Popen(
            command,
            cwd=folder,
            env=stage_environment(settings(), folder) | {"SHOPLOOP_STEP": self.task_id},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=_die_with_parent,
        ) as self._process:
            for line in self._process.stdout:
                self.log.info("%s", line.rstrip())
        # Two may wait for a killed process; who comes second learns no code and would take it for a success.
        self._judge(-signal.SIGTERM if self._was_killed else self._process.returncode)

    def _judge(self, code: int) -> None:
        if code == NOT_WORTH_RETRYING:
            raise AirflowFailException(
                f"{self.action} cannot succeed as things are; its last lines above say why"
            )
        if code != 0:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise RuntimeError(f"{self.action} {how}; its output is above. Clear this task to try again")


class Branch(Action, BranchMixIn):  # type: ignore[misc]
    """An action whose result names the task to go on with, as ``branch``."""

    inherits_from_skipmixin = True
    ui_color = "#fdf2d5"

    def follow(self, context: Any, result: dict[str, Any]) -> Any:
        """Skip the other branches."""
        # Skipping ends the task before its return value would be kept.
        context["ti"].xcom_push(key="return_value", value=result)
        self.do_branch(context, result["branch"])


def alert_failure(context: Any) -> None:
    """Tell who is on call that a task failed for good; Airflow calls it after the last try."""
    from pipelines.monitoring.alerts import failed_task, send

    why = str(context.get("exception") or "it was killed, or took too long")
    task = context["ti"]
    send(settings(), failed_task(settings(), context["dag"].dag_id, context["run_id"], task.task_id, why))


RETRIED: dict[str, Any] = {
    # For what time heals: a killed worker, a lock, a server that starts again. Bad input fails at once.
    "retries": 2,
    "retry_delay": timedelta(seconds=15),
    "execution_timeout": timedelta(minutes=15),
    "on_failure_callback": alert_failure,
}


def on_time(cron: str) -> CronTriggerTimetable:
    """By the wall clock where the shop is; on a fresh installation from the next time on."""
    zone = load_params(settings().checkout / "params.yaml").shop.timezone
    # Not False, which Airflow takes as "the last one too, if it is less than a tenth of the period ago".
    return CronTriggerTimetable(cron, timezone=zone, run_immediately=timedelta(0))


def stage(name: str, minutes: int = 30, **options: Any) -> Action:
    """The task of a stage of ``dvc.yaml``: ``dvc repro --single-item NAME`` in the run's workspace."""
    return Action(
        task_id=name,
        action="run_stage",
        arguments=["--stage", name],
        execution_timeout=timedelta(minutes=minutes),
        **options,
    )


def finish(name: str) -> BaseOperator:
    """A task that ends a run on one of its branches."""
    if name == "nothing_new":
        return EmptyOperator(task_id=name)
    return Action(task_id=name, action="finish_run", arguments=[f"--task={name}"])


class Approval(HITLBranchOperator):  # type: ignore[misc]
    """Waits for a person on Airflow's page of required actions; no answer in time is a rejection."""

    def __init__(self, *, approved: str, rejected: str, **options: Any) -> None:
        super().__init__(
            subject="Release the recommender of {{ run_id }}?",
            body="{{ ti.xcom_pull('read_decision')['markdown'] }}",
            options=["Approve", "Reject"],
            options_mapping={"Approve": approved, "Reject": rejected},
            defaults=["Reject"],
            execution_timeout=None,  # would count the person's time
            **options,
        )

    def execute(self, context: Any) -> Any:
        """Ask, and wait as long as the form said."""
        self.response_timeout = timedelta(hours=context["params"]["approval_hours"])
        return super().execute(context)


def chosen(conf: dict[str, Any] | None) -> str:
    """What the form changes in ``params.yaml``, as JSON by dotted key; a template macro."""
    given = {key: (conf or {}).get(key.split(".")[1]) for key, _, _ in CHOICES}
    return json.dumps({key: value for key, value in given.items() if value is not None})


def training_form() -> dict[str, Param]:
    """The form of `train_recommender`; its defaults are what ``params.yaml`` says."""
    now = load_params(settings().checkout / "params.yaml")
    return {key.split(".")[1]: _field(now, key, title, words) for key, title, words in CHOICES} | {
        "promote": Param(
            True, type="boolean", title="Promote", description="Release the candidate if it passes every gate"
        ),
        "require_approval": Param(
            False,
            type="boolean",
            title="Ask a person first",
            description="Wait for an approval before the release; without one in time the run is refused",
        ),
        "approval_hours": Param(
            48, type="number", exclusiveMinimum=0, maximum=72, title="Approval expires after (hours)"
        ),
        "reason": Param(
            "", type=["null", "string"], title="Reason", description="Why you train now; kept with the run"
        ),
    }


def _field(now: Params, key: str, title: str, words: str) -> Param:
    section, name = key.split(".")
    values = getattr(now, section)
    described = type(values).model_json_schema()["properties"][name]
    schema = {word: rule for word, rule in described.items() if word in JSON_SCHEMA_WORDS}
    return Param(getattr(values, name), title=title, description=words, **schema)


def write_note(dag_id: str, run_id: str, note: str) -> None:
    """Put ``note`` where Airflow's web UI shows it beside the run."""
    from pipelines.stack.airflow_api import DAGS, Airflow

    # 1000 characters is Airflow's limit; the whole decision is in the log, in MLflow and in the ledger.
    short = note if len(note) <= 1000 else f"{note[:999]}…"
    Airflow(settings()).request("PATCH", f"{DAGS}/{dag_id}/dagRuns/{run_id}", json={"note": short})


def _result_of(workspace: Path, task_id: str) -> dict[str, Any]:
    file = workspace / RUN_FOLDER / f"{task_id}.json"
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def _end_tree(process: psutil.Popen) -> None:
    try:
        tree = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in tree:
        _signal(member, signal.SIGTERM)
    for member in psutil.wait_procs(tree, timeout=STOP_SECONDS)[1]:
        _signal(member, signal.SIGKILL)


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _die_with_parent() -> None:
    # A worker killed outright runs no on_kill; the kernel then ends the action, which ends its own children.
    if _libc is not None:
        _libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)
