"""Run one stage of ``dvc.yaml`` in a workspace, as a person would: ``dvc repro --single-item NAME``."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import psutil

from pipelines.settings import Settings
from pipelines.workspace import stage_environment

FAILED_BY_ITSELF = re.compile(r"failed to run: .*, exited with [1-9]\d*$")
"""DVC's words when the stage's own command ended with an error (a killed one has a negative code)."""
CANNOT_SUCCEED = 2


def run_stage(settings: Settings, workspace: Path, stage: str) -> int:
    """Bring ``stage`` up to date in ``workspace``; its output goes to ours.

    Returns:
        0 when the stage ran, was restored from the cache, or was up to date; 2 when its command failed by
        itself, which it would again; DVC's code when the stage was killed or DVC could not work.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    code_to_give = 0
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
            if FAILED_BY_ITSELF.search(line.rstrip()):
                code_to_give = CANNOT_SUCCEED
    return code_to_give or process.returncode


def _end_with_us(pid: int) -> None:
    """When this process is told to end, end DVC and the stage below it: DVC does not pass a signal on."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        tree = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
        for process in tree:
            process.terminate()
        for process in psutil.wait_procs(tree, timeout=5)[1]:
            process.kill()
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
