"""Reads the ledger beside the supervisor, which must not wait for a database that does not answer."""

import threading
import time
from dataclasses import dataclass

from pipelines.releases.ledger import Ledger, Plan

READ_SECONDS = 0.05
RETRY_SECONDS = 1.0
SILENT_SECONDS = 5.0


@dataclass(frozen=True)
class Reading:
    """What was read last.

    Attributes:
        plan: Nothing before the first, and when the ledger cannot be used.
        error: Why it cannot be used.
    """

    plan: Plan | None = None
    error: str = ""


class PlanReader:
    """The newest plan of a ledger, read by a thread of its own.

    Args:
        url: Of the ledger.
        silent_seconds: After so long without an answer the ledger counts as one that cannot be used.
    """

    def __init__(self, url: str, silent_seconds: float = SILENT_SECONDS) -> None:
        self._url, self._silent_seconds = url, silent_seconds
        self._reading, self._asked_at = Reading(), float("inf")

    def start(self) -> None:
        """Read from now on, until this process ends."""
        threading.Thread(target=self._read_on, name="ledger", daemon=True).start()

    def newest(self) -> Reading:
        """What was read last; does not wait."""
        if time.monotonic() - self._asked_at > self._silent_seconds:
            return Reading(None, f"it gives no answer for more than {self._silent_seconds:g} s")
        return self._reading

    def _read_on(self) -> None:
        ledger: Ledger | None = None
        while True:
            self._asked_at = time.monotonic()
            try:
                ledger = ledger or Ledger(self._url)
                self._reading = Reading(ledger.plan())
            except Exception as error:  # of any kind: serving goes on, and the next reading may succeed
                self._reading = Reading(None, (str(error).strip() or type(error).__name__).splitlines()[0])
            self._asked_at = time.monotonic()
            time.sleep(RETRY_SECONDS if self._reading.error else READ_SECONDS)
