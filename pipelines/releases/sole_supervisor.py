"""One supervisor of a home at a time, by a lock that its death lets go of."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pipelines.releases.status import LOCK

LOCK_SECONDS = 1.0
LOOK_SECONDS = 0.05


class AlreadyRunning(Exception):  # noqa: N818
    """Another supervisor of this home is alive."""


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold_lock(folder: Path) -> IO[str]:
    """Be the only supervisor of this folder as long as the returned file is open.

    Raises:
        AlreadyRunning: Another one is alive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = (folder / LOCK).open("a+")
    # Whoever asks whether we run holds the lock for an instant; only another supervisor holds it for longer.
    if not wait_until(lambda: _try_lock(handle), LOCK_SECONDS):
        handle.seek(0)
        raise AlreadyRunning(
            f"an endpoint of {folder} is already running (process {handle.read().strip() or '?'})"
        )
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def wait_until(is_done: Callable[[], bool], seconds: float) -> bool:
    """Look until something is so; False when it is not in time."""
    deadline = time.monotonic() + seconds
    while not (done := is_done()) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return done
