"""What the endpoint's supervisor tells about itself: a file, replaced whole at every change."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines.settings import Settings

LOCK = "supervisor.lock"


class EndpointDown(Exception):  # noqa: N818
    """The endpoint's supervisor is not running; the message says how to start it."""


@dataclass(frozen=True)
class ReleaseStatus:
    """One release as the supervisor sees it.

    Attributes:
        state: ``starting``, ``ready``, ``failed`` or ``live``.
        reason: Why it failed or is starting again, else ``""``.
        pid: Of its process, ``None`` when there is none.
        port: Where its data plane answers, on loopback.
        restarts: How often it was started again.
        requested_at: When its preparation was asked for (ISO, UTC), ``""`` when it was not.
        ready_after_seconds: From its start to its first good answer.
    """

    state: str
    reason: str = ""
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    requested_at: str = ""
    ready_after_seconds: float | None = None


@dataclass(frozen=True)
class EndpointStatus:
    """The whole endpoint.

    Attributes:
        pid: Of the supervisor.
        url: The public address.
        caddy_pid: Of the proxy.
        live: What the ledger says is live.
        serving: What requests reach first; differs from ``live`` only while that one is starting.
        previous: What is kept warm for a rollback.
        candidate: What is on its way to become live.
        share: Of the shoppers, that it is to answer.
        last_switch: ``{"from", "to", "at", "seq"}`` of the last change of ``serving``.
        ledger_error: Why the ledger cannot be read at present, else ``""``.
        releases: By release id.
    """

    pid: int
    url: str
    caddy_pid: int | None = None
    live: str | None = None
    serving: str | None = None
    previous: str | None = None
    candidate: str | None = None
    share: float = 0.0
    last_switch: dict[str, Any] | None = None
    ledger_error: str = ""
    releases: dict[str, ReleaseStatus] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "EndpointStatus":
        """The inverse of `to_json`."""
        values = json.loads(text)
        releases = {name: ReleaseStatus(**row) for name, row in values.pop("releases").items()}
        return cls(**values, releases=releases)


def endpoint_folder(settings: Settings) -> Path:
    """Everything the endpoint writes is below this folder."""
    return settings.home.resolve() / "endpoint"


def status_file(settings: Settings) -> Path:
    """Where the status is."""
    return endpoint_folder(settings) / "status.json"


def write_atomically(file: Path, text: str) -> None:
    """Replace a file so that a reader sees the old or the new text, never a part."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.replace(file)


def read_status(settings: Settings) -> EndpointStatus:
    """The status of the running supervisor.

    Raises:
        EndpointDown: There is none.
    """
    file = status_file(settings)
    if not _is_locked(file.with_name(LOCK)) or not file.exists():
        raise EndpointDown(f"no endpoint is running in {file.parent}: start it with `shoploop up`")
    return EndpointStatus.from_json(file.read_text())


def _is_locked(lock: Path) -> bool:
    """Whether a supervisor holds its lock: true across containers too, and false the moment it is killed."""
    try:
        with lock.open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
