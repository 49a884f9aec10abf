"""Real processes in a home of their own; whatever a test leaves behind is stopped."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.stack import processes
from pipelines.stack.ports import free_port
from tests.stack.strangers import SLEEPER, Spawn


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    # Below the range from which the kernel takes ports for clients; at random, for tests beside this one.
    first = free_port("127.0.0.1", random.randrange(20_000, 32_000))
    second = free_port("127.0.0.1", first + 1)
    third = free_port("127.0.0.1", second + 1)
    home = tmp_path / "home"
    home.mkdir()
    made = Settings(home=home, port_airflow=first, port_mlflow=second, port_endpoint=third)
    yield made
    processes.stop_strays(made, grace_seconds=1)


@pytest.fixture
def stranger() -> Iterator[Spawn]:
    """Starts processes that are not of the stack; ends them after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(code: str = SLEEPER, environment: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        started.append(process)
        return process

    yield spawn
    for process in started:
        process.kill()
        process.wait()
