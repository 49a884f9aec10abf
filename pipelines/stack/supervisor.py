"""Bringing the stack up, telling how it is, and taking it down."""

import contextlib
import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

from pipelines.settings import Settings
from pipelines.stack import airflow_api, ports, processes
from pipelines.stack.components import Component, components, database_migration

Say = Callable[[str], None]
GRACE_SECONDS = 20.0
TRAINING_POOL = ("gpu", 1, "one training at a time")
"""Name, slots and description of the Airflow pool that trainings wait for: without it none is ever scheduled."""


class StackError(Exception):
    """A part of the stack does not start; the message holds the end of its log."""


@dataclass(frozen=True)
class PartStatus:
    """How one process is.

    Attributes:
        name: The component.
        state: ``stopped``, ``starting`` or ``healthy``.
        detail: What is missing when it is not healthy.
        pid: Its process id while it runs.
        memory_mib: Its memory with its children, shared pages counted once.
        log: Where it logs.
    """

    name: str
    state: str
    detail: str
    pid: int | None
    memory_mib: float
    log: str


def up(settings: Settings, say: Say) -> dict[str, float]:
    """Start what is missing and wait until all of it is well.

    Returns:
        Seconds until each part that was started became well.

    Raises:
        PortBusyError: A port is held by a stranger.
        StackError: A part died or did not become well in time.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with _alone(settings, say):
        parts = components(settings)
        seconds = start_missing(settings, parts, say)
        airflow_api.Airflow(settings).ensure_pool(*TRAINING_POOL)
        return seconds


def start_missing(settings: Settings, parts: list[Component], say: Say) -> dict[str, float]:
    """Start those of ``parts`` that do not run and wait until they are well; the rest of `up` is around it.

    What a crash of this stack left on their ports is ended first.

    Raises:
        PortBusyError: A port is held by a stranger; nothing was started.
        StackError: A part died or did not become well in time.
    """
    missing = [part for part in parts if not processes.recorded(settings, part.name)]
    for part in missing:
        if part.port_field:
            _end_leftovers(settings, part, say)
            ports.require_free(settings, part.port_field)
    ports.remember_ports(settings)
    began = time.monotonic()
    # Airflow's processes need the database; the others start meanwhile.
    _start([part for part in missing if not _is_airflow(part)], settings, say)
    if any(_is_airflow(part) for part in missing):
        _migrate_once(settings, say)
    _start([part for part in missing if _is_airflow(part)], settings, say)
    return _wait_until_well(settings, missing, began, say)


def down(settings: Settings, say: Say, grace_seconds: float = GRACE_SECONDS) -> list[str]:
    """Stop every process of this stack, also those whose parent was killed; returns what was stopped."""
    if not settings.home.exists():
        return []
    with _alone(settings, say):
        names = [part.name for part in components(settings)]
        stopped = processes.stop(settings, names, grace_seconds)
        return stopped + processes.stop_strays(settings, grace_seconds)


def status(settings: Settings) -> list[PartStatus]:
    """How each part is."""
    return [_part_status(settings, part) for part in components(settings)]


def is_up(settings: Settings) -> bool:
    """Whether every part is well."""
    return all(part.state == "healthy" for part in status(settings))


def _part_status(settings: Settings, part: Component) -> PartStatus:
    log = str(processes.log_file(settings, part.name))
    record = processes.recorded(settings, part.name)
    if record is None:
        return PartStatus(part.name, "stopped", "run `shoploop up`", None, 0.0, log)
    complaint = part.probe(settings, record.created)
    state = "starting" if complaint else "healthy"
    return PartStatus(
        part.name, state, complaint or "", record.pid, processes.memory_bytes(record) / 2**20, log
    )


def _end_leftovers(settings: Settings, part: Component, say: Say) -> None:
    """End what outlived a killed leader and still holds the port of ``part``."""
    found = ports.leftovers(settings, getattr(settings, part.port_field))
    for process in found:
        say(f"  ending process {process.pid}, left over from a stack that crashed")
    processes.terminate(found, GRACE_SECONDS)


def _start(parts: list[Component], settings: Settings, say: Say) -> None:
    for part in parts:
        processes.start(settings, part.name, part.command, part.environment)
        say(f"  starting {part.title}")


def _wait_until_well(settings: Settings, parts: list[Component], began: float, say: Say) -> dict[str, float]:
    waiting = {part.name: part for part in parts}
    seconds: dict[str, float] = {}
    while waiting:
        for name, part in list(waiting.items()):
            record = processes.recorded(settings, name)
            elapsed = time.monotonic() - began
            complaint = part.probe(settings, record.created) if record else "its process ended"
            if complaint is None:
                seconds[name] = elapsed
                del waiting[name]
                say(f"  {part.title} is ready after {elapsed:.1f} s")
            elif record is None or elapsed > part.grace_seconds:
                raise StackError(_failure(settings, part, complaint, elapsed))
        time.sleep(0.3)
    return seconds


def _failure(settings: Settings, part: Component, complaint: str, elapsed: float) -> str:
    return (
        f"{part.title} did not start: {complaint} (after {elapsed:.0f} s). The end of its log:\n"
        f"{processes.log_tail(settings, part.name)}\n"
        f"Full log: {processes.log_file(settings, part.name)}\n"
        "Correct the cause and run `shoploop up` again: it starts only what is missing."
    )


def _migrate_once(settings: Settings, say: Say) -> None:
    marker = settings.home / "airflow" / "migrated-to"
    wanted = f"{version('apache-airflow')} {settings.airflow_database_url or 'sqlite'}"
    if marker.exists() and marker.read_text() == wanted:
        return
    say("  preparing Airflow's database")
    command, environment = database_migration(settings)
    log = processes.log_file(settings, "airflow-migrate")
    with log.open("ab") as output:
        done = subprocess.run(
            command, env=environment, cwd=settings.home, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode:
        tail = processes.log_tail(settings, "airflow-migrate")
        raise StackError(f"Airflow's database cannot be prepared. {log}:\n{tail}")
    marker.write_text(wanted)


@contextlib.contextmanager
def _alone(settings: Settings, say: Say) -> Iterator[None]:
    """Only one `up` or `down` at a time per home."""
    with (settings.home / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  another `shoploop up` or `shoploop down` is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_airflow(part: Component) -> bool:
    return part.name.startswith("airflow-")
