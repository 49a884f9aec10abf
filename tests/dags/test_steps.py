"""A task's subprocess: what its exit code means for Airflow, and that nothing of it outlives the task."""

import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from pipelines.run_facts import write_result
from pipelines.settings import Settings
from tests.processes import runs

# A workspace whose own `pipelines.cli` stands where the real one would: the mechanism is the real one.
CLI = """
import os, subprocess, sys, time
what = sys.argv[sys.argv.index("--what") + 1]
print("line one", flush=True)
if what == "sleep":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    open("pids", "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(300)
sys.exit(int(what))
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/__init__.py").write_text("")
    (tmp_path / "pipelines/cli.py").write_text(CLI)
    return tmp_path


@pytest.fixture
def steps(dags: dict[str, Any]) -> Any:
    return sys.modules["steps"]


def test_action__streams_its_output_and_succeeds(
    workspace: Path, steps: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    steps.Action(task_id="work", arguments=["--what", "0"])._run(workspace)

    captured = capfd.readouterr()
    assert "line one" in caplog.text + captured.out + captured.err


@pytest.mark.parametrize(("code", "error"), [("1", "RuntimeError"), ("2", "AirflowFailException")])
def test_action__that_fails_is_retried_only_when_that_may_help(
    code: str, error: str, workspace: Path, steps: Any
) -> None:
    with pytest.raises(Exception, match="work") as caught:
        steps.Action(task_id="work", arguments=["--what", code])._run(workspace)

    assert type(caught.value).__name__ == error


def test_action__that_acted_succeeds_though_its_note_cannot_be_written(
    workspace: Path,
    steps: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    nowhere = Settings(home=workspace / "home", checkout=workspace, airflow_url="http://127.0.0.1:9")
    monkeypatch.setattr(steps, "settings", lambda: nowhere)
    monkeypatch.setattr(steps, "workspace_of", lambda *_: workspace)
    result = {"release_id": "r-44-aaaaaaaa", "note": "r-44-aaaaaaaa is live"}
    write_result(workspace, "work", result)
    action = steps.Action(task_id="work", arguments=["--what", "0"])

    assert action.execute({"dag": SimpleNamespace(dag_id="rollback_release"), "run_id": "run-1"}) == result

    captured = capfd.readouterr()
    assert "note of this run was not written" in caplog.text + captured.out + captured.err


def test_action__that_is_to_run_again_is_deferred_and_holds_no_worker(
    workspace: Path, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "settings", lambda: Settings(home=workspace / "home", checkout=workspace))
    monkeypatch.setattr(steps, "workspace_of", lambda *_: workspace)
    action = steps.Action(task_id="work", arguments=["--what", "0"])
    context = {"dag": SimpleNamespace(dag_id="train_recommender"), "run_id": "run-1"}
    write_result(workspace, "work", {"again_in": 15})
    before = datetime.now(UTC)

    with pytest.raises(TaskDeferred) as deferred:
        action.execute(context)

    _, when = deferred.value.trigger.serialize()
    assert when["moment"] - before >= timedelta(seconds=15)
    write_result(workspace, "work", {"release_id": "r-45-bbbbbbbb"})
    assert getattr(action, deferred.value.method_name)(context, event=None) == {"release_id": "r-45-bbbbbbbb"}


def test_on_kill__ends_the_whole_tree(workspace: Path, steps: Any) -> None:
    action = steps.Action(task_id="work", arguments=["--what", "sleep"])
    caught: list[BaseException] = []
    thread = threading.Thread(target=lambda: run_into(action, workspace, caught))
    thread.start()
    pids = wait_for_pids(workspace)

    action.on_kill()
    thread.join(30)

    assert "signal 15" in str(caught[0])
    assert not [pid for pid in pids if runs(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_action__ends_when_its_worker_is_killed_outright(workspace: Path, steps: Any) -> None:
    worker = os.fork()
    if worker == 0:
        steps.Action(task_id="work", arguments=["--what", "sleep"])._run(workspace)
        os._exit(0)
    action_pid = wait_for_pids(workspace)[0]

    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)

    end = time.monotonic() + 10
    while runs(action_pid) and time.monotonic() < end:
        time.sleep(0.1)
    for pid in wait_for_pids(workspace)[1:]:
        os.kill(pid, signal.SIGKILL)  # the stand-in, unlike run_stage, does not look after its child
    assert not runs(action_pid)


def run_into(action: Any, workspace: Path, caught: list[BaseException]) -> None:
    try:
        action._run(workspace)
    except Exception as error:
        caught.append(error)


def wait_for_pids(workspace: Path) -> list[int]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        words = (workspace / "pids").read_text().split() if (workspace / "pids").is_file() else []
        if len(words) == 2:
            return [int(word) for word in words]
        time.sleep(0.05)
    raise AssertionError("the action did not start")
