"""Whether the public port is free, and who holds it when it is not."""

import socket

import psutil


class PortTaken(Exception):  # noqa: N818
    """The public port is in use; the message names who holds it and what to do."""


def require_free(host: str, port: int) -> None:
    """Fail with a sentence when somebody listens on the port.

    Raises:
        PortTaken: Somebody does. It is left alone.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} on {host} cannot be used ({error.strerror}): {_holder(port)}."
                " Stop that program, or choose another port with --port-endpoint or SHOPLOOP_PORT_ENDPOINT"
            ) from error


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("inet"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return _describe(connection.pid)
    except psutil.AccessDenied:
        pass
    return "it is held by a process of another user"


def _describe(pid: int | None) -> str:
    if pid is None:
        return "it is held by a process of another user"
    try:
        process = psutil.Process(pid)
        return f"it is held by process {pid} ({' '.join(process.cmdline())[:120] or process.name()})"
    except psutil.Error:
        return f"it is held by process {pid}"
