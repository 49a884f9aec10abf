"""How a Bento is told where things are: the only reader of the environment on the data plane."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from serving.logs import LogFormat

SOURCE_ROOT = Path(__file__).resolve().parent.parent


class Environment(msgspec.Struct, frozen=True):
    """Settings of one serving process; each field is read from ``SHOPLOOP_<FIELD>``.

    Attributes:
        data_host: Address of the data plane; the image sets ``0.0.0.0``.
        data_port: Port of the data plane.
        state_file: SQLite file with shopper histories and the event log; impressions and served features lie beside it.
        state_url: Redis that holds histories, event log and put items instead of that file; it may have a password.
        state_may_be_lost: Take events also where that Redis does not put them on disk before it answers.
        clock_file: The recorded shop clock; without one the shop lives in real time.
        bundle: Folder of the model bundle.
        release_id: Name of the release, shown in every answer.
        events_token: A key to read the event log with.
        admin_token: A key to change what is shown with.
        keys_file: Further keys, by their hashes, each with its scopes; may change while the process runs.
        open_scopes: What needs no key: of ``read`` and ``events``, separated by commas, or ``none``.
        variant: Which arm of an experiment this process is, shown in every answer.
        variant_file: Where that can change while the process runs; its first word goes before ``variant``.
        mirror_file: Where the address of a candidate stands that is asked the same, for comparison; none by default.
        served_features_share: Share of the recommendation requests whose features are logged, for
            `shoploop features replay`; chosen by request id.
        served_features_mib: Size of that log from which on its oldest rows leave.
        most_waiting: Requests for lists that may wait, of which one is worked on; more are refused with 429.
        longest_wait_ms: Fewer may wait where, by what lists took of late, the last one would wait longer for long.
        processes: That answer on the port, each with the model in memory; one a core makes full use of a machine.
        log_format: ``text``, or ``json`` for one object a line.
        log_requests: Log a line for each request, which costs time.
        traces: Collector (``http://host:port``, OTLP) or file to which traces go; empty for none.
        traces_share: Share of the requests that are traced although their callers do not trace them.
        tls_cert: Certificate of the data plane, PEM; with it TLS alone is spoken on its port.
        tls_key: Its key.
    """

    data_host: str = "127.0.0.1"
    data_port: int = 3000
    state_file: Path = Path("state") / "shopper.db"
    state_url: str = ""
    state_may_be_lost: bool = False
    clock_file: Path | None = None
    bundle: Path = SOURCE_ROOT / "bundle"
    release_id: str = "unreleased"
    events_token: str = ""
    admin_token: str = ""
    keys_file: Path | None = None
    open_scopes: str = "read,events"
    variant: str = "champion"
    variant_file: Path | None = None
    mirror_file: Path | None = None
    served_features_share: Annotated[float, Meta(ge=0, le=1)] = 0.01
    served_features_mib: Annotated[int, Meta(ge=1)] = 256
    most_waiting: Annotated[int, Meta(ge=1)] = 256
    longest_wait_ms: Annotated[float, Meta(gt=0)] = 50
    processes: Annotated[int, Meta(ge=1, le=64)] = 1
    log_format: LogFormat = "text"
    log_requests: bool = False
    traces: str = ""
    traces_share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse to open what must stay closed: it changes what shoppers see, or tells what they did."""
        if self.open_scopes != "none" and (strange := {*self.open_scopes.split(",")} - {"read", "events"}):
            found = ", ".join(map(repr, sorted(strange)))
            raise ValueError(
                f"open_scopes: expected `read`, `events`, `read,events` or `none`; found {found}"
            )

        if "://" in self.traces and not self.traces.startswith(("http://", "https://")):
            scheme = self.traces.partition("://")[0]
            raise ValueError(f"traces: expected http://host:port of a collector or a file; found {scheme!r}")

    @property
    def impressions_file(self) -> Path:
        """The impression log: apart from the state, since each SQLite file has one writer at a time."""
        return self.state_file.with_name("impressions.db")

    @property
    def served_features_file(self) -> Path:
        """The log of served features, apart for the same reason."""
        return self.state_file.with_name("served_features.db")


def read_environment() -> Environment:
    """The environment of this process.

    Raises:
        msgspec.ValidationError: A variable has the wrong type; the message names the field.
    """
    given = {name: os.environ.get(f"SHOPLOOP_{name.upper()}") for name in Environment.__struct_fields__}
    return msgspec.convert(
        {name: value for name, value in given.items() if value},
        Environment,
        strict=False,
        dec_hook=lambda kind, value: kind(value),
    )
