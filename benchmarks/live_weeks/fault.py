"""The injected fault: a candidate's processes are killed while it answers some of the shoppers."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from pipelines.releases.status import EndpointDown, read_status
from pipelines.settings import Settings

LOOK_SECONDS = 0.5
ANSWERING_SECONDS = 5


@dataclass
class Strike:
    """Waits for a candidate with a share of the shoppers and kills its processes once, as the kernel would.

    Attributes:
        struck: Its release, ``""`` before it was killed.
        at: When, seconds since the epoch.
    """

    settings: Settings
    struck: str = ""
    at: float = 0.0

    def __enter__(self) -> "Strike":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self.struck and not self._stop.wait(LOOK_SECONDS):
            with suppress(EndpointDown, ValueError):
                if self._answering() and not self._stop.wait(ANSWERING_SECONDS):
                    self._kill()

    def _answering(self) -> tuple[str, int] | None:
        status = read_status(self.settings)
        found = status.releases.get(status.candidate or "")
        if status.candidate is None or not status.share or found is None or found.pid is None:
            return None
        return status.candidate, found.pid

    def _kill(self) -> None:
        # Looked up once more: it may be live by now.
        if (found := self._answering()) is None:
            return
        candidate, pid = found
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(pid)
            for member in [*leader.children(recursive=True), leader]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            self.struck, self.at = candidate, time.time()
