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
