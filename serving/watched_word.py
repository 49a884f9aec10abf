"""A word in a file that may change while this process runs: which arm of an experiment it is, or whom it asks."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

REFRESH_SECONDS = 0.25
WORD = re.compile(r"[a-z_]{1,32}")

logger = logging.getLogger("serving")


class WatchedWord:
    """The word in a file, looked at four times a second, so that nobody has to be restarted when it changes.

    Args:
        path: The file, or None when nothing ever changes.
        otherwise: The word when there is no file, or none that can be used.
        clock: Seconds that only grow.
        form: What a word looks like.
    """

    def __init__(
        self,
        path: Path | None,
        otherwise: str,
        clock: Callable[[], float] = time.monotonic,
        form: re.Pattern[str] = WORD,
    ) -> None:
        self._path, self._word, self._clock, self._form = path, otherwise, clock, form
        self._look_at = 0.0

    def __call__(self) -> str:
        """The word now."""
        if self._path is not None and self._clock() >= self._look_at:
            self._look(self._path)
            self._look_at = self._clock() + REFRESH_SECONDS
        return self._word

    def _look(self, path: Path) -> None:
        try:
            found = path.read_text().strip()
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            logger.error("%s: it stays %r: %s", path, self._word, error)
            return
        if self._form.fullmatch(found):
            self._word = found
        else:
            logger.error(
                "%s: expected %s, found %r: it stays %r", path, self._form.pattern, found[:40], self._word
            )
