"""Processes that tests start, and whether they live."""

import subprocess
import time
from collections.abc import Callable

import psutil

Spawn = Callable[..., "subprocess.Popen[bytes]"]
SLEEPER = "import time; print('ready', flush=True); time.sleep(600)"
LISTENER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", {port}))
print("ready", flush=True)
time.sleep(600)
"""
# Its child leads a session of its own, as the process of a release does.
LEADER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {listener!r}], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print("ready", child.pid, flush=True)
time.sleep(600)
"""


def leader_of_listener(port: int) -> str:
    """Code of a process that prints ``ready`` and the pid of its child, which listens on ``port``."""
    return LEADER.format(listener=LISTENER.format(port=port))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_dead(pid: int) -> None:
    end = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.02)
