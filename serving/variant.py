"""Which arm of an experiment this process is, which may change while it runs."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path

REFRESH_SECONDS = 0.25
WORD = re.compile(r"[a-z_]{1,32}")

logger = logging.getLogger("serving")


class Variant:
    """The word in a file, looked at four times a second: a canary that becomes the champion is not restarted.

    Args:
        path: The file, or None when nothing ever changes.
        otherwise: The word when there is no file, or none that can be used.
        clock: Seconds that only grow.
    """

    def __init__(
        self, path: Path | None, otherwise: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._word, self._clock = path, otherwise, clock
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
            logger.error("%s: the variant stays %s: %s", path, self._word, error)
            return
        if WORD.fullmatch(found):
            self._word = found
        else:
            logger.error(
                "%s: expected one word of small letters, found %r: it stays %s", path, found[:40], self._word
            )
