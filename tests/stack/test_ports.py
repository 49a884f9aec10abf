"""Ports: who holds them, which to take instead, and that they are remembered."""

import os
import socket

import pytest

from pipelines import settings as settings_module
from pipelines.settings import Settings
from pipelines.stack import ports
from tests.stack.strangers import LISTENER, Spawn


def test_require_free__says_who_holds_the_port_and_which_option_to_use(
    settings: Settings, stranger: Spawn
) -> None:
    process = stranger(LISTENER.format(port=settings.port_mlflow))
    with pytest.raises(ports.PortBusyError) as caught:
        ports.require_free(settings, "port_mlflow")
    message = str(caught.value)
    assert f"Port {settings.port_mlflow} is taken by process {process.pid} of " in message
    assert "server = socket.create_server" in message
    suggested = ports.free_port("127.0.0.1", settings.port_mlflow + 1)
    assert f"shoploop up --port-mlflow {suggested}" in message
    assert f"make run PORT_MLFLOW={suggested}" in message
    assert process.poll() is None


def test_require_free__accepts_a_free_port(settings: Settings) -> None:
    ports.require_free(settings, "port_airflow")


def test_is_free__does_not_mind_a_connection_that_lingers(settings: Settings) -> None:
    port = settings.port_endpoint
    server = socket.create_server(("127.0.0.1", port))
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = server.accept()
    assert not ports.is_free("127.0.0.1", port)
    # The side that closes first keeps the port in TIME_WAIT.
    accepted.close()
    client.close()
    server.close()
    assert ports.is_free("127.0.0.1", port)


def test_remember_ports__are_what_the_next_command_takes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports.remember_ports(settings)
    for name in list(os.environ):
        if name.startswith("SHOPLOOP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SHOPLOOP_HOME", str(settings.home))
    monkeypatch.setenv("SHOPLOOP_PORT_MLFLOW", "6001")
    settings_module.settings.cache_clear()
    try:
        found = settings_module.settings()
    finally:
        settings_module.settings.cache_clear()
    assert found.port_airflow == settings.port_airflow
    assert found.port_mlflow == 6001  # the environment goes before what is remembered
