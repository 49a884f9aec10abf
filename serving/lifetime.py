"""Processes that end with the one that started them."""

import ctypes
import os
import signal
import sys

PARENT_DEATH_SIGNAL = 1  # prctl(2)


def die_with_parent(parent: int) -> None:
    """Ask Linux to send SIGTERM when the parent is gone, however it went; elsewhere nothing happens.

    Args:
        parent: Process id of the parent as it told; when it is gone already, this process ends at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit("the process that started the data plane is gone")
