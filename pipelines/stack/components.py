"""What the stack consists of: each process, its command, its environment and how to see that it is well."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from pipelines.settings import Settings
from pipelines.stack.environment import airflow_environment, stack_environment
from pipelines.stack.passwords import mlflow_server_passwords, passwords
from serving.tls import TlsError, trusting

Probe = Callable[[Settings, float], str | None]
"""Takes the settings and when the process was started; gives None when well, else what is missing."""


@dataclass(frozen=True)
class Component:
    """One process of the stack.

    Attributes:
        name: Also the name of its log file.
        title: What a person calls it.
        command: What to run.
        environment: Variables of its process.
        probe: Tells whether it is well.
        port_field: The setting that holds its port; empty when it listens nowhere.
        grace_seconds: How long it may take to become well on a slow machine.
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: dict[str, str]
    probe: Probe
    port_field: str = ""
    grace_seconds: float = 180


def components(settings: Settings) -> list[Component]:
    """All processes of the stack, in the order in which they are started."""
    return [mlflow_server(settings), endpoint(settings), *airflow(settings)]


def mlflow_server(settings: Settings) -> Component:
    """The tracking server: SQLite and a local folder, one worker, no job runner, a password."""
    folder = settings.home.resolve() / "mlflow"
    switches = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | mlflow_server_passwords(settings)
    return Component(
        name="mlflow",
        title="MLflow",
        command=(
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", settings.host, "--port", str(settings.port_mlflow)),
            *("--app-name", "basic-auth"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ),
        environment=stack_environment(settings) | switches,
        probe=lambda settings, _: mlflow_answers(settings),
        port_field="port_mlflow",
    )


def mlflow_answers(settings: Settings) -> str | None:
    """None when the tracking server is well, else what is missing."""
    return _answers(f"{settings.mlflow}/health")


def endpoint(settings: Settings) -> Component:
    """The supervisor of the serving endpoint."""
    known = passwords(settings)
    return Component(
        name="endpoint",
        title="endpoint",
        command=(sys.executable, "-m", "pipelines.releases.endpoint"),
        environment=stack_environment(settings)
        | {"SHOPLOOP_EVENTS_TOKEN": known.events_token, "SHOPLOOP_ADMIN_TOKEN": known.admin_token},
        probe=lambda settings, _: _answers(f"{settings.endpoint}/healthz", settings.tls_cert),
        port_field="port_endpoint",
    )


def airflow(settings: Settings) -> list[Component]:
    """Airflow's four processes; apart, so that one can be killed and started again without the others."""
    environment = stack_environment(settings) | airflow_environment(settings)
    parts = [
        ("api-server", ("api-server", "--proxy-headers"), "metadatabase", "port_airflow"),
        ("scheduler", ("scheduler", "--skip-serve-logs"), "scheduler", ""),
        ("dag-processor", ("dag-processor",), "dag_processor", ""),
        ("triggerer", ("triggerer", "--skip-serve-logs"), "triggerer", ""),
    ]
    return [
        Component(
            name=f"airflow-{name}",
            title=f"Airflow {name}",
            command=(sys.executable, "-m", "airflow", *arguments),
            environment=environment,
            probe=_airflow_probe(part),
            port_field=port_field,
        )
        for name, arguments, part, port_field in parts
    ]


def database_migration(settings: Settings) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command and environment that make or upgrade Airflow's database."""
    command = (sys.executable, "-m", "airflow", "db", "migrate")
    return command, stack_environment(settings) | airflow_environment(settings)


def _airflow_probe(part: str) -> Probe:
    def probe(settings: Settings, started: float) -> str | None:
        url = f"{settings.airflow}/api/v2/monitor/health"
        try:
            health: dict[str, Any] = _client().get(url).json()
        except (httpx.HTTPError, ValueError) as error:
            return f"{url} does not answer ({type(error).__name__})"
        return _part_complaint(health.get(part) or {}, part, started)

    return probe


def _part_complaint(state: dict[str, Any], part: str, started: float) -> str | None:
    if state.get("status") != "healthy":
        return f"{part} is {state.get('status') or 'not started'}"
    # A heartbeat older than the process is its predecessor's, which Airflow calls healthy for 30 seconds.
    beat = state.get(f"latest_{part}_heartbeat")
    if beat and datetime.fromisoformat(beat).timestamp() < started:
        return f"{part} sent no heartbeat yet"
    return None


def _answers(url: str, certificate: str = "") -> str | None:
    try:
        status = _client(certificate).get(url).status_code
    except (httpx.HTTPError, TlsError) as error:
        return f"{url} does not answer ({type(error).__name__})"
    return None if status == 200 else f"{url} answers {status}"


@cache
def _client(certificate: str = "") -> httpx.Client:
    # One client for all probes: making one loads the system's certificates, which costs 50 ms.
    return httpx.Client(
        timeout=5, trust_env=False, verify=trusting(Path(certificate)) if certificate else True
    )


def logins(settings: Settings) -> dict[str, dict[str, str]]:
    """How a person reaches each part: URL, user and password where it asks for one."""
    known = passwords(settings)
    return {
        "airflow": {"url": settings.airflow, "user": known.airflow_user, "password": known.airflow_password},
        "mlflow": {"url": settings.mlflow, "user": known.mlflow_user, "password": known.mlflow_password},
        "endpoint": {"url": settings.endpoint, "user": "", "password": ""},
    }
