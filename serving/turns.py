"""One list is made at a time; those that come while too many wait are refused at once."""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType

from serving.schemas import RefusalError

RETRY_AFTER_SECONDS = 1.0
ALWAYS = 8
"""So many may wait however long a list takes: a page that asks for several at once is no overload."""
MEMORY = 0.1
"""Share of the newest turn in what a turn is expected to take."""
PATIENCE = 0.5
"""Seconds for which more may wait: after a standstill all come at once, and are soon through."""


class ShedError(RefusalError):
    """Refused, since too many wait already: 429."""

    def __init__(self, waiting: int) -> None:
        message = f"{waiting} requests wait for their lists already; ask again after the header Retry-After"
        super().__init__(429, "overloaded", message, retry_after=RETRY_AFTER_SECONDS)


class Turns:
    """A queue of bounded length before work that holds up the event loop; ``async with`` waits for one's turn.

    Without it every request would be let in, wait in the event loop for all before it, and be answered too late for
    anybody. A queue that was too long for some time is one that stands (Nichols and Jacobson, Controlling Queue Delay,
    2012): then it is held to the wait until nobody had to be refused for as long.

    Args:
        most_waiting: How many may wait at any time, the one whose turn it is counted in.
        longest_wait: Seconds that the last one may wait, as far as is foretold, in a queue that stands.
        clock: Seconds that only grow.
    """

    def __init__(
        self, most_waiting: int, longest_wait: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._most, self._longest, self._clock = most_waiting, longest_wait, clock
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._one_takes, self._free_at = 0.0, clock()
        self._too_long_since: float | None = None
        self._shed_until = -math.inf

    def refuse_beyond(self) -> None:
        """Let a request begin.

        Raises:
            ShedError: As many wait as may.
        """
        if self._waiting >= self._most or (self._is_too_long() and self._stands()):
            self._shed_until = self._clock() + PATIENCE
            raise ShedError(self._waiting)

    def _is_too_long(self) -> bool:
        return self._waiting >= ALWAYS and self._waiting * self._one_takes > self._longest

    def _stands(self) -> bool:
        now = self._clock()
        if self._too_long_since is None:
            self._too_long_since = now
        return now < self._shed_until or now - self._too_long_since >= PATIENCE

    async def __aenter__(self) -> None:
        """Wait for a turn, in the order of arrival.

        Raises:
            ShedError: As many wait as may.
        """
        self.refuse_beyond()
        if not self._waiting:
            self._free_at = self._clock()
        self._waiting += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self._waiting -= 1
            raise
        try:
            # Whoever came meanwhile is counted, and refused where it must be, before the next work begins.
            await asyncio.sleep(0)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next one go on."""
        # From one release to the next, so that what the loop does between two turns counts as well.
        now = self._clock()
        taken, self._free_at = now - self._free_at, now
        self._one_takes += MEMORY * (taken - self._one_takes)
        self._waiting -= 1
        if not self._is_too_long():
            self._too_long_since = None
        self._turn.release()
