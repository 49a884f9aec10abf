"""Passwords, and an environment that keeps every process inside the home."""

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pipelines.settings import Settings
from pipelines.stack.environment import (
    STACK_MARK,
    airflow_environment,
    confined_environment,
    stack_environment,
)
from pipelines.stack.files import read_json
from pipelines.stack.passwords import mlflow_server_passwords, passwords


def test_passwords__are_random_private_and_stay(settings: Settings, tmp_path: Path) -> None:
    made = passwords(settings)
    other = passwords(Settings(home=tmp_path / "other"))
    assert passwords(settings) == made
    assert settings.secrets_file.stat().st_mode & 0o777 == 0o600
    secret = [name for name in type(made).model_fields if not name.endswith("_user")]
    assert len({getattr(made, name) for name in secret}) == len(secret)
    assert all(getattr(made, name) != getattr(other, name) for name in secret)
    assert all(len(getattr(made, name)) >= 20 for name in secret)
    Fernet(made.airflow_fernet_key)


def test_airflow_environment__logs_in_the_kept_user_from_a_private_file(settings: Settings) -> None:
    variables = airflow_environment(settings)
    path = Path(variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_json(path) == {"admin": passwords(settings).airflow_password}
    assert variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin"


def test_mlflow_server__reads_its_password_from_a_private_file(settings: Settings) -> None:
    variables = mlflow_server_passwords(settings)
    path = Path(variables["MLFLOW_AUTH_CONFIG_PATH"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"admin_password = {passwords(settings).mlflow_password}\n" in path.read_text()
    client = stack_environment(settings)
    assert client["MLFLOW_TRACKING_PASSWORD"] == passwords(settings).mlflow_password


def test_stack_environment__keeps_our_password_from_a_tracking_server_elsewhere(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"mlflow_url": "https://mlflow.example.com"})
    client = stack_environment(elsewhere)
    assert client["MLFLOW_TRACKING_URI"] == "https://mlflow.example.com"
    assert passwords(settings).mlflow_password not in client.values()


def test_airflow_environment__has_one_value_for_the_port(settings: Settings) -> None:
    variables = airflow_environment(settings)
    port = str(settings.port_airflow)
    assert variables["AIRFLOW__API__PORT"] == port
    assert variables["AIRFLOW__API__BASE_URL"] == f"http://127.0.0.1:{port}"
    assert variables["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{port}/execution/"


def test_airflow_environment__takes_another_database_when_one_is_set(settings: Settings) -> None:
    assert airflow_environment(settings)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:////")
    elsewhere = settings.model_copy(update={"airflow_database_url": "postgresql+psycopg2://db/airflow"})
    assert (
        airflow_environment(elsewhere)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        == "postgresql+psycopg2://db/airflow"
    )


def test_confined_environment__points_every_folder_into_the_home(settings: Settings) -> None:
    folders = {name: value for name, value in confined_environment(settings).items() if "/" in value}
    assert {"MPLCONFIGDIR", "XDG_CACHE_HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"} <= set(folders)
    assert [name for name, value in folders.items() if not value.startswith(str(settings.home))] == []


def test_stack_environment__is_marked_and_free_of_foreign_airflow_settings(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "99")
    monkeypatch.setenv("NO_PROXY", "example.com")
    variables = stack_environment(settings)
    assert [name for name in variables if name.startswith("AIRFLOW_")] == []
    assert variables[STACK_MARK] == str(settings.home.resolve())
    assert variables["SHOPLOOP_PORT_ENDPOINT"] == str(settings.port_endpoint)
    assert variables["NO_PROXY"] == "example.com,127.0.0.1,localhost,::1"
    assert variables["PATH"].split(os.pathsep)[0].endswith("bin")


def test_stack_environment__says_the_settings_that_made_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings.model_copy(update={"home": settings.home.resolve()})
