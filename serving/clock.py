"""The shop's *now* on the data plane, without reading a file for every request."""

import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.clock import ClockError, ShopClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REFRESH_SECONDS = 1.0

logger = logging.getLogger("serving")


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def iso(moment: int) -> str:
    """ISO 8601 in UTC of microseconds since the epoch."""
    return (EPOCH + timedelta(microseconds=moment)).isoformat()


class ServingClock:
    """The recorded shop clock, looked at once a second, so that landing a week moves a running process.

    Args:
        path: The record, or None for real time.

    Raises:
        ClockError: The record is there and cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self._clock = ShopClock(path or Path("no-recorded-clock"))
        self._looked_at = time.monotonic()
        self._seen = micros(self._clock.now())

    def now(self) -> int:
        """Microseconds since the epoch (UTC)."""
        elapsed = time.monotonic() - self._looked_at
        if elapsed > REFRESH_SECONDS:
            self._look()
            elapsed = time.monotonic() - self._looked_at
        return self._seen + int(elapsed * 1_000_000)

    def _look(self) -> None:
        seen_now = self._seen + int((time.monotonic() - self._looked_at) * 1_000_000)
        try:
            seen_now = micros(self._clock.now())
        except ClockError as error:  # a record that breaks while serving must not fail requests
            logger.error("the shop clock goes on as last seen: %s", error)
        self._seen, self._looked_at = seen_now, time.monotonic()
