"""Child processes that end with their parent, and the way to find those that did not."""

import ctypes
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from pipelines.releases.status import write_atomically

MARK = "SHOPLOOP_ENDPOINT"
"""Environment variable that every process of an endpoint carries: the folder of that endpoint."""

FAMILY = "SHOPLOOP_FAMILY"
"""Environment variable that a child and all its descendants carry, another for each child.

Process groups do not do: BentoML's worker leads a session of its own.
"""

PR_SET_PDEATHSIG = 1
CREATE_TIME_TOLERANCE = 0.05
# Loaded before any fork: nothing may be imported between fork and exec.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Child:
    """A process and its descendants.

    Invariants:
        It gets SIGTERM when the thread that started it ends, however that ends (Linux).
        After `kill` no descendant of it is left, whatever session it moved to.
    """

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, log: IO[bytes]
    ) -> None:
        self.family = f"{environment[MARK]}#{uuid.uuid4().hex}"
        # BentoML renames its process, by default over the memory that holds the environment: SPT_NOENV
        # keeps it readable, so that strays can be told.
        own = {FAMILY: self.family, "SPT_NOENV": "1"}
        # A function between fork and exec is safe only without threads: the supervisor has none.
        self._process = subprocess.Popen(
            list(argv),
            env=dict(environment) | own,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self.pid = self._process.pid
        self.create_time = psutil.Process(self.pid).create_time()

    @property
    def exit_code(self) -> int | None:
        """Its exit code once it ended; negative for a signal."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """Send it SIGTERM; it ends its descendants itself."""
        self._process.terminate()

    def kill(self) -> None:
        """End what is left of the family now."""
        self._process.kill()
        kill_family(self.family)
        self._process.wait()


def kill_family(family: str) -> int:
    """Kill every process that carries the family's name, and nobody else; returns how many."""
    found = [process for process in psutil.process_iter() if _belongs(process, family)]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=5)
    return len(found)


def _belongs(process: psutil.Process, family: str) -> bool:
    try:
        return process.environ().get(FAMILY) == family
    except (psutil.Error, OSError):
        return False


class Records:
    """Which children were started, on disk, for a supervisor that comes after a killed one."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, children: Sequence[Child]) -> None:
        """Replace the record."""
        rows = [
            {"pid": child.pid, "create_time": child.create_time, "family": child.family} for child in children
        ]
        write_atomically(self.file, json.dumps(rows))

    def end_strays(self, patience: float = 5.0) -> int:
        """End what an earlier supervisor of this endpoint left behind; returns how many families there were.

        A process id that now belongs to somebody else is told by its creation time, and descendants by the
        family's name in their environment: a stranger is never touched.
        """
        rows = self._read()
        for row in rows:
            with suppress(psutil.NoSuchProcess):
                if _is_alive(row):
                    psutil.Process(row.pid).terminate()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(_is_alive(row) for row in rows):
            time.sleep(0.05)
        return sum(kill_family(row.family) > 0 for row in rows)

    def _read(self) -> list["Recorded"]:
        try:
            return [Recorded(**row) for row in json.loads(self.file.read_text())]
        except (FileNotFoundError, ValueError, TypeError):
            return []


@dataclass(frozen=True)
class Recorded:
    """One line of the record."""

    pid: int
    create_time: float
    family: str


def _is_alive(row: Recorded) -> bool:
    try:
        process = psutil.Process(row.pid)
        same = abs(process.create_time() - row.create_time) < CREATE_TIME_TOLERANCE
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
