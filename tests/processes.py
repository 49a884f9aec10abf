"""Whether processes live, told without a race: one that ends while it is looked at has ended."""

import time

import psutil


def runs(process: int | psutil.Process) -> bool:
    """Whether this process lives; a zombie does not."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_dead(pid: int) -> None:
    """Return when the process has ended, fail after ten seconds."""
    end = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.02)
