"""`shoploop up`, `down` and `status`."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from pipelines.commands.champion import project_champion
from pipelines.commands.console import fail, say, say_json, whisper

PortAirflow = Annotated[
    int | None, typer.Option(help="Port of Airflow's web UI; remembered.", min=1, max=65535)
]
PortMlflow = Annotated[int | None, typer.Option(help="Port of MLflow; remembered.", min=1, max=65535)]
PortEndpoint = Annotated[
    int | None, typer.Option(help="Port of the serving endpoint; remembered.", min=1, max=65535)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]


def up(
    port_airflow: PortAirflow = None,
    port_mlflow: PortMlflow = None,
    port_endpoint: PortEndpoint = None,
    as_json: AsJson = False,
) -> None:
    """Start what is missing of the local stack.

    That is Airflow with its web UI, MLflow and the serving endpoint, all on loopback. Exit code 2: a port is busy.
    """
    chosen = {"port_airflow": port_airflow, "port_mlflow": port_mlflow, "port_endpoint": port_endpoint}
    bring_up(chosen, as_json)
    if as_json:
        say_json(_where(as_json=True))
    else:
        say(access())


def bring_up(chosen: dict[str, int | None], quiet: bool = False) -> dict[str, float]:
    """Start the stack on the chosen ports, or end the command with what stands in the way."""
    from pipelines.settings import settings
    from pipelines.stack.airflow_api import AirflowError
    from pipelines.stack.ports import PortBusyError
    from pipelines.stack.supervisor import StackError, up

    wanted = settings().model_copy(update={name: port for name, port in chosen.items() if port})
    if wanted != settings():
        _require_stopped(wanted)
    tell = whisper if quiet else say
    tell(f"Starting the stack in {wanted.home}")
    began = time.monotonic()
    try:
        seconds = up(wanted, tell)
    except PortBusyError as error:
        fail(str(error), code=2)
    except (StackError, AirflowError) as error:
        fail(str(error))
    settings.cache_clear()  # the ports are remembered now
    if seconds:
        project_champion(tell)
    tell(f"The stack is up after {time.monotonic() - began:.1f} s" if seconds else "The stack was up already")
    return seconds


def down() -> None:
    """Stop every process of the stack, and no other.

    It also finds what a crash or a killed parent left behind.
    """
    from pipelines.settings import settings
    from pipelines.stack.supervisor import down as stop_all

    began = time.monotonic()
    stopped = stop_all(settings(), say)
    for name in stopped:
        say(f"  stopped {name}")
    say(f"The stack is down after {time.monotonic() - began:.1f} s" if stopped else "Nothing was running")


def status(as_json: AsJson = False) -> None:
    """Tell how each part of the stack is.

    Exit code 1 unless all of it is healthy.
    """
    from pipelines.settings import settings
    from pipelines.stack.supervisor import status as look

    parts = look(settings())
    healthy = all(part.state == "healthy" for part in parts)
    if as_json:
        say_json(
            {"healthy": healthy, "parts": [asdict(part) for part in parts], "access": _where(as_json=True)}
        )
    else:
        for part in parts:
            memory = f"{part.memory_mib:6.0f} MiB" if part.pid else " " * 10
            say(f"  {part.name:<22} {part.state:<9} {part.pid or '':>8} {memory}  {part.detail}")
        say(f"  logs: {settings().home / 'logs'}")
        if healthy:
            say(access())
    raise typer.Exit(0 if healthy else 1)


def access() -> str:
    """The three URLs and how to log in, in words."""
    from pipelines.settings import settings

    found = _where(as_json=False)
    lines = []
    for name, login in found.items():
        secret = f"   log in as {login['user']} with password {login['password']}" if login["user"] else ""
        lines.append(f"  {name:<9} {login['url']}{secret}")
    # Of the endpoint only what changes what shoppers see asks for a token.
    lines.append(f"  admin_token for PUT {found['endpoint']['url']}/v1/items/ID: {settings().secrets_file}")
    return "\n".join(lines)


def _where(as_json: bool) -> dict[str, dict[str, str]]:
    from pipelines.settings import settings
    from pipelines.stack.components import logins

    found = logins(settings())
    if as_json:
        # Scripts' output ends up in files and CI logs: they read passwords from the secrets file instead.
        for login in found.values():
            login["password"] = f"see {settings().secrets_file}" if login["user"] else ""
    return found


def _require_stopped(wanted: object) -> None:
    from pipelines.settings import settings
    from pipelines.stack import processes
    from pipelines.stack.components import components

    now = settings()
    running = [
        part.name for part in components(now) if part.port_field and processes.recorded(now, part.name)
    ]
    moved = [
        name
        for name in ("port_airflow", "port_mlflow", "port_endpoint")
        if getattr(wanted, name) != getattr(now, name)
    ]
    if running and moved:
        fail(
            f"The stack runs already, with {moved[0]} {getattr(now, moved[0])}: run `shoploop down` first.",
            code=2,
        )
