"""Starting, recording and stopping processes so that none is ever lost and no stranger is ever touched."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pipelines.settings import Settings
from pipelines.stack.environment import STACK_MARK, stack_mark
from pipelines.stack.files import read_json, write_json


@dataclass(frozen=True)
class Record:
    """A process that was started.

    Attributes:
        name: Its component, for example ``mlflow``.
        pid: Its process id, which is also its process group and session.
        created: Creation time by psutil, seconds since the epoch; with ``pid`` it cannot be mistaken.
        command: What was run.
    """

    name: str
    pid: int
    created: float
    command: tuple[str, ...]


def log_file(settings: Settings, name: str) -> Path:
    """Where the output of ``name`` goes."""
    return settings.home / "logs" / f"{name}.log"


def log_tail(settings: Settings, name: str, lines: int = 20) -> str:
    """The last lines that ``name`` wrote."""
    try:
        text = log_file(settings, name).read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def start(settings: Settings, name: str, command: tuple[str, ...], environment: dict[str, str]) -> Record:
    """Start ``command`` in a session of its own, with its log file, and record it."""
    log = log_file(settings, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=settings.home,  # a library that writes to its working directory stays inside home
            env=environment | {STACK_MARK: stack_mark(settings)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    record = Record(name, process.pid, psutil.Process(process.pid).create_time(), command)
    write_json(_record_file(settings, name), asdict(record))
    return record


def recorded(settings: Settings, name: str) -> Record | None:
    """The record of ``name`` while that very process lives."""
    kept = read_json(_record_file(settings, name))
    if not kept:
        return None
    record = Record(kept["name"], int(kept["pid"]), float(kept["created"]), tuple(kept["command"]))
    return record if is_alive(record) else None


def is_alive(record: Record) -> bool:
    """Whether the recorded process, and not a later one of the same id, still runs."""
    try:
        process = psutil.Process(record.pid)
        return abs(process.create_time() - record.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(settings: Settings, names: list[str], grace_seconds: float) -> list[str]:
    """Stop the recorded processes of ``names``, each with its group; returns those that ran."""
    records = [record for name in names if (record := recorded(settings, name))]
    for record in records:
        _signal_group(record, signal.SIGTERM)
    _wait(records, grace_seconds)
    for record in records:
        if is_alive(record):
            _signal_group(record, signal.SIGKILL)
    _wait(records, 5)
    for name in names:
        _record_file(settings, name).unlink(missing_ok=True)
    return [record.name for record in records]


def stop_strays(settings: Settings, grace_seconds: float) -> list[str]:
    """Stop whatever else carries this stack's mark, whoever its parent is now; returns the commands."""
    stopped: list[str] = []
    # A dying process may still fork: look again until nothing is left.
    for _ in range(5):
        found = list(marked(settings))
        if not found:
            break
        stopped += [_command(process) for process in found]
        terminate(found, grace_seconds)
    return stopped


def marked(settings: Settings) -> Iterator[psutil.Process]:
    """Processes of this user that carry this stack's mark, or write its logs, except this one and its parents."""
    mark = stack_mark(settings)
    this = psutil.Process()
    spared = {this.pid, *(parent.pid for parent in this.parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.uids().real == os.getuid() and process.pid not in spared
            if ours and process.status() != psutil.STATUS_ZOMBIE and _carries(process, mark, settings):
                yield process


def _carries(process: psutil.Process, mark: str, settings: Settings) -> bool:
    if process.environ().get(STACK_MARK) == mark:
        return True
    # Airflow's workers write a title over their environment; what is left is where and into what they write.
    home = settings.home.resolve()
    if process.cwd() != str(home):
        return False
    logs = f"{home / 'logs'}{os.sep}"
    return any(file.path.startswith(logs) and file.mode.startswith("a") for file in process.open_files())


def memory_bytes(record: Record) -> int:
    """Proportional memory of a process and its children (shared pages counted once)."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(record.pid)
        for process in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.uss)
    return total


def _record_file(settings: Settings, name: str) -> Path:
    return settings.home / "processes" / f"{name}.json"


def _signal_group(record: Record, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(record.pid, number)


def _wait(records: list[Record], seconds: float) -> None:
    end = time.monotonic() + seconds
    while any(is_alive(record) for record in records) and time.monotonic() < end:
        time.sleep(0.1)


def terminate(found: list[psutil.Process], grace_seconds: float) -> None:
    """End processes: SIGTERM, and SIGKILL for those that are still there after ``grace_seconds``."""
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=grace_seconds)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _command(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:100]}"
    except psutil.Error:
        return str(process.pid)
