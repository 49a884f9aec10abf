"""Lines while something goes on, and the peak of memory."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import psutil

EVERY = 0.05
SPEAK_AFTER = 2.0
SPEAK_AGAIN = 20.0

Say = Callable[[str], None]


class Progress:
    """Says what goes on once it takes two seconds, again from time to time, and how long it took.

    Args:
        say: Prints a line.
        left: Seconds left of the whole run.
    """

    def __init__(self, say: Say, left: Callable[[], float]) -> None:
        self._say, self._left = say, left
        self.peak_mib = 0.0

    def note(self, line: str) -> None:
        """A line at once."""
        self._say(f"[{self._left():5.0f} s left] {line}")

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Watch one piece of work from a thread of its own."""
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(what, ended), daemon=True)
        began = monotonic()
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
        if monotonic() - began > SPEAK_AFTER:
            self.note(f"{what}: done in {monotonic() - began:.1f} s")

    def _watch(self, what: str, ended: threading.Event) -> None:
        process, began, next_word = psutil.Process(), monotonic(), SPEAK_AFTER
        while not ended.wait(EVERY):
            self.peak_mib = max(self.peak_mib, process.memory_info().rss / 2**20)
            if monotonic() - began > next_word:
                self.note(f"{what} ...")
                next_word += SPEAK_AGAIN

    def fresh_peak(self) -> None:
        """Begin to look for the peak anew."""
        self.peak_mib = psutil.Process().memory_info().rss / 2**20
