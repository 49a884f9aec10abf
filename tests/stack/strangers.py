"""Processes that tests start."""

import subprocess
from collections.abc import Callable

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
