"""One stage in a workspace, with real DVC: what its exit codes mean, and that nothing outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.actions.run_stage import failed_by_itself
from pipelines.settings import Settings
from pipelines.workspace import open_workspace, stage_environment
from tests.processes import runs
from tests.workspace.test_snapshot import git

CODE = """
import os, pathlib, sys, time
what = pathlib.Path("data/inputs/what.txt").read_text().split()
if what[0] == "fail":
    sys.exit("the column price holds -1; correct it")
if what[0] == "die":
    os.kill(os.getpid(), 9)
if what[0] == "wait":
    pathlib.Path("started").write_text(str(os.getpid()))
    time.sleep(300)
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/out.txt").write_text("done")
"""
STAGES = (
    "stages: {work: {cmd: python -m pipelines.work, deps: [data/inputs/what.txt], outs: [reports/out.txt]}}"
)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    checkout = tmp_path / "checkout"
    (checkout / "pipelines").mkdir(parents=True)
    (checkout / "pipelines/__init__.py").write_text("")
    (checkout / "pipelines/work.py").write_text(CODE)
    (checkout / "params.yaml").write_text("{}")
    (checkout / "dvc.yaml").write_text(STAGES)
    (checkout / ".gitignore").write_text("/data/\n/reports/\n")
    git(checkout, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=checkout, check=True)
    return Settings(checkout=checkout, home=tmp_path / "home")


def start(settings: Settings, what: str) -> tuple[Path, "subprocess.Popen[str]"]:
    workspace = open_workspace(settings, "run-1").path
    return workspace, work(settings, workspace, what)


def work(settings: Settings, workspace: Path, what: str) -> "subprocess.Popen[str]":
    (workspace / "data/inputs").mkdir(parents=True, exist_ok=True)
    (workspace / "data/inputs/what.txt").write_text(what)
    command = [sys.executable, "-m", "pipelines.commands.actions_runs", "run_stage"]
    command += ["--workspace", str(workspace), "--stage", "work"]
    # The action itself runs the code under test; the workspace's own package is a stand-in.
    environment = stage_environment(settings, workspace) | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )


def test_run_stage__does_the_work_then_finds_it_done(settings: Settings) -> None:
    workspace, process = start(settings, "work")
    output = process.communicate(timeout=120)[0]

    assert process.returncode == 0, output
    assert (workspace / "reports/out.txt").read_text() == "done"


def test_run_stage__that_fails_by_itself_is_not_worth_a_second_try(settings: Settings) -> None:
    _, process = start(settings, "fail")
    output = process.communicate(timeout=120)[0]

    assert "the column price holds -1; correct it" in output
    assert process.returncode == 2


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_run_stage__that_was_killed_is_worth_a_second_try(
    settings: Settings, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DVC runs a stage by the caller's shell: one reports a killed command as 137, the other dies like it.
    monkeypatch.setenv("SHELL", shell)
    _, process = start(settings, "die")
    output = process.communicate(timeout=120)[0]

    assert process.returncode not in (0, 2), output


@pytest.mark.parametrize(
    ("code", "by_itself"), [(1, True), (2, True), (128, True), (137, False), (143, False), (-9, False)]
)
def test_failed_by_itself__tells_an_error_from_a_signal(code: int, by_itself: bool) -> None:
    line = f"ERROR: failed to reproduce 'work': failed to run: python -m pipelines.work, exited with {code}\n"

    assert failed_by_itself(line) is by_itself


def test_run_stage__told_to_end_leaves_no_process_and_can_be_run_again(settings: Settings) -> None:
    workspace, process = start(settings, "wait")
    stage = wait_for_pid(workspace / "started")

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 128 + signal.SIGTERM
    assert not runs(stage)
    assert not (workspace / "reports/out.txt").exists()
    again = work(settings, workspace, "work")
    output = again.communicate(timeout=120)[0]
    assert again.returncode == 0, output
    assert (workspace / "reports/out.txt").read_text() == "done"


def test_run_stage__after_a_kill_that_caught_dvc_writing_its_lock(settings: Settings) -> None:
    workspace = open_workspace(settings, "run-1").path
    (workspace / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
    (workspace / ".dvc/tmp/rwlock").write_text("")

    process = work(settings, workspace, "work")
    output = process.communicate(timeout=120)[0]

    assert process.returncode == 0, output
    assert "left half written" in output


def wait_for_pid(path: Path) -> int:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.is_file() and path.read_text():
            return int(path.read_text())
        time.sleep(0.1)
    raise AssertionError(f"{path} did not appear; pid {os.getpid()}")
