"""Starts one build in a process of its own, and watches its memory, its processor time and the limits."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psutil

from pipelines.settings import CHECKOUT

GIB = 2**30
WATCH_SECONDS = 0.05


@dataclass(frozen=True)
class Limits:
    """After which a run is ended and reported as not finished."""

    seconds: float
    gib: float


@dataclass(frozen=True)
class Run:
    """What was measured of one build.

    Attributes:
        seconds: From the inputs on disk to the views on disk; None when it did not finish.
        cpu_seconds: Processor time of all its processes, starting them included.
        peak_gib: Most memory (resident) that all its processes, the JVM too, had at one time.
        fault: Why it did not finish; empty when it did.
    """

    seconds: float | None
    cpu_seconds: float
    peak_gib: float
    fault: str = ""


def run(system: str, folder: Path, names: tuple[str, ...], limits: Limits) -> Run:
    """Build once."""
    command = [sys.executable, "-m", "benchmarks.features.one_run", system, str(folder), ",".join(names)]
    with TemporaryFile("w+") as said, TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=said, stderr=errors, text=True, cwd=CHECKOUT) as process:
            watch = _Watch(psutil.Process(process.pid))
            fault = watch.until_end(process, limits)
        seconds = None if fault else _seconds(said)
        if seconds is None and not fault:
            fault = f"failed: {_last_line(errors)}"
    return Run(seconds, watch.cpu_seconds, watch.peak / GIB, fault)


class _Watch:
    def __init__(self, root: psutil.Process) -> None:
        self.root, self.peak = root, 0
        self._cpu: dict[psutil.Process, float] = {}

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def until_end(self, process: subprocess.Popen[str], limits: Limits) -> str:
        """Look until the process ends or is ended; says why it was."""
        started = time.monotonic()
        while process.poll() is None:
            resident = self._look()
            if resident > limits.gib * GIB:
                return self._end(f"did not finish in {limits.gib:g} GiB")
            if time.monotonic() - started > limits.seconds:
                return self._end(f"did not finish in {limits.seconds / 60:g} minutes")
            time.sleep(WATCH_SECONDS)
        return ""

    def _look(self) -> int:
        resident = 0
        for process in self._processes():
            try:
                times = process.cpu_times()
                self._cpu[process] = times.user + times.system
                resident += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        self.peak = max(self.peak, resident)
        return resident

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self.root, *self.root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self, fault: str) -> str:
        for process in reversed(self._processes()):
            process.kill()
        return fault


def _seconds(said: IO[str]) -> float | None:
    said.seek(0)
    lines = said.read().splitlines()
    return float(json.loads(lines[-1])["seconds"]) if lines and lines[-1].startswith("{") else None


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = [line for line in errors.read().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"
