"""Several processes that answer on one port, one for each core; the kernel spreads connections over them."""

import logging
import os
import signal
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from prometheus_client.multiprocess import mark_process_dead

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Setting of the Prometheus client: where processes write what they count, so that each can tell the sum."""
PAUSE_SECONDS = 1.0

logger = logging.getLogger("serving")


class Processes:
    """Starts them and lives as long as they do.

    One that is killed is started again, while the others go on. One that ends by itself had a reason that the others
    have too, such as a setting: then all end.

    Args:
        count: How many.
        module: What each runs; it is given the id of this process.
    """

    def __init__(self, count: int, module: str) -> None:
        self._count, self._module, self._stopping = count, module, False
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._stop())
        with TemporaryDirectory(prefix="shoploop-metrics-") as folder:
            for _ in range(self._count):
                self._start(folder)
            return self._watch(folder)

    def _start(self, folder: str) -> None:
        environment = os.environ | {"SHOPLOOP_PROCESSES": "1", METRICS_FOLDER: folder}
        child = subprocess.Popen([sys.executable, "-m", self._module, str(os.getpid())], env=environment)
        self._children[child.pid] = child
        if self._stopping:  # since the signal came while it was being started
            child.terminate()

    def _watch(self, folder: str) -> int:
        exit_code = 0
        while self._children:
            pid, status = os.waitpid(-1, 0)
            child = self._children.pop(pid, None)
            if child is None:
                continue
            child.returncode = os.waitstatus_to_exitcode(status)
            if self._stopping:
                continue
            if child.returncode < 0:
                logger.error("a process was killed by signal %d: starting it again", -child.returncode)
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
                time.sleep(PAUSE_SECONDS)
                self._start(folder)
            else:
                exit_code = child.returncode or 1
                self._stop()
        return exit_code

    def _stop(self) -> None:
        self._stopping = True
        for child in list(self._children.values()):
            child.terminate()
