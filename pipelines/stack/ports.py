"""The three ports of the stack: remembered, checked, and never taken from somebody else."""

import socket
from collections.abc import Iterator

import psutil

from pipelines.settings import PORT_FIELDS, Settings
from pipelines.stack import processes
from pipelines.stack.files import read_json, write_json


class PortBusyError(Exception):
    """A port is taken by a process that is not ours; the message says by whom and what to do."""


def remember_ports(settings: Settings) -> None:
    """Keep the ports for the next command."""
    path = settings.stack_file
    ports = {name: getattr(settings, name) for name in PORT_FIELDS}
    kept = read_json(path)
    if kept.get("ports") != ports:
        write_json(path, kept | {"ports": ports})


def require_free(settings: Settings, field: str) -> None:
    """Check that a server could listen on the port named by ``field`` (for example ``port_airflow``).

    Raises:
        PortBusyError: Somebody listens there already.
    """
    port = getattr(settings, field)
    if is_free(settings.host, port):
        return
    option = f"--{field.replace('_', '-')}"
    raise PortBusyError(
        f"Port {port} is taken by {holder(port)}.\n"
        f"shoploop stops no process that is not its own. Choose another port:\n"
        f"    shoploop up {option} {free_port(settings.host, port + 1)}\n"
        f"or, with make:  make run {field.upper()}={free_port(settings.host, port + 1)}"
    )


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on ``host:port`` now."""
    with socket.socket() as probe:
        # As servers do: a connection that lingers in TIME_WAIT must not count as a holder.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str, start: int) -> int:
    """The first free port from ``start`` on."""
    return next(port for port in range(start, 65536) if is_free(host, port))


def holder(port: int) -> str:
    """Who listens on ``port``, in words: pid, user and command as far as this user may see them."""
    for pid in _listeners(port):
        return _describe(pid)
    return "a process of another user (its pid is visible to root only: `sudo ss -ltnp`)"


def leftovers(settings: Settings, port: int) -> list[psutil.Process]:
    """Listeners on ``port`` that carry this stack's mark and belong to none of its recorded processes.

    They outlived a leader that was killed. A stranger, another stack's process or a living part is never among them.
    """
    if is_free(settings.host, port):
        return []
    listening, leaders = set(_listeners(port)), _leaders(settings)
    marked = [process for process in processes.marked(settings) if process.pid in listening]
    return [process for process in marked if not _is_led(process, leaders)]


def _listeners(port: int) -> Iterator[int]:
    for connection in psutil.net_connections(kind="tcp"):
        here = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if here and connection.pid:
            yield connection.pid


def _leaders(settings: Settings) -> set[int]:
    names = [file.stem for file in (settings.home / "processes").glob("*.json")]
    return {record.pid for name in names if (record := processes.recorded(settings, name))}


def _is_led(process: psutil.Process, leaders: set[int]) -> bool:
    try:
        return not leaders.isdisjoint({process.pid, *(parent.pid for parent in process.parents())})
    except psutil.NoSuchProcess:
        return True  # it just ended by itself


def _describe(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        command = " ".join(process.cmdline()) or process.name()
        return f"process {pid} of {process.username()} ({command[:120]})"
    except psutil.Error:
        return f"process {pid}"
