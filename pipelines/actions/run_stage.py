"""Run one stage of ``dvc.yaml`` in a workspace, as a person would: ``dvc repro --single-item NAME``."""

import json
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from pipelines.settings import Settings
from pipelines.workspace import stage_environment

ENDED_WITH = re.compile(r"failed to run: .*, exited with (-?\d+)$")
"""DVC's words when the stage's command did not end well."""
BY_A_SIGNAL = 128
"""From here on a shell's code says that its command was killed; without a shell between, it is negative."""
CANNOT_SUCCEED = 2


def run_stage(settings: Settings, workspace: Path, stage: str) -> int:
    """Bring ``stage`` up to date in ``workspace``; its output goes to ours.

    Returns:
        0 when the stage ran, was restored from the cache, or was up to date; 2 when its command failed by
        itself, which it would again; DVC's code when the stage was killed or DVC could not work.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    code_to_give = 0
    _drop_broken_lock(workspace)
    with subprocess.Popen(
        command,
        cwd=workspace,
        env=stage_environment(settings, workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        _end_with_us(process.pid)
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if failed_by_itself(line):
                code_to_give = CANNOT_SUCCEED
    return code_to_give or process.returncode


def failed_by_itself(line: str) -> bool:
    """Whether this line of DVC's says that the stage's command ended with an error of its own, not killed."""
    found = ENDED_WITH.search(line.rstrip())
    return found is not None and 0 < int(found[1]) <= BY_A_SIGNAL


def _drop_broken_lock(workspace: Path) -> None:
    """Remove the file of DVC's locks if a kill caught DVC writing it; only this run works in the workspace."""
    lock = workspace / ".dvc/tmp/rwlock"
    try:
        json.loads(lock.read_text())
    except FileNotFoundError:
        return
    except ValueError:
        print(f"{lock} was left half written by a process that was killed; removed", flush=True)
        lock.unlink()


def _end_with_us(pid: int) -> None:
    """When this process is told to end, end DVC and the stage below it: DVC does not pass a signal on."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        with suppress(psutil.NoSuchProcess):
            dvc = psutil.Process(pid)
            below = dvc.children(recursive=True)
            for process in below:
                _send(process, signal.SIGTERM)
            # DVC gives its locks back when it is interrupted, not when it is terminated.
            _send(dvc, signal.SIGINT)
            for process in psutil.wait_procs([dvc, *below], timeout=5)[1]:
                _send(process, signal.SIGKILL)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):  # it ended by itself
        process.send_signal(number)
