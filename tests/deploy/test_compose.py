"""docker-compose.yml against the code that its containers run."""

from pathlib import Path

import pytest
import yaml

from pipelines.settings import Settings
from pipelines.stack.components import components
from serving.environment import Environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_compose__names_real_components(services: dict, tmp_path: Path) -> None:
    known = {part.name for part in components(Settings(home=tmp_path))}
    named = {
        service["command"][1]
        for service in services.values()
        if service.get("command", [""])[0] == "component"
    }
    assert named == known - {"mlflow"}


def test_compose__sets_only_settings_that_exist(services: dict) -> None:
    environment = services["endpoint"]["environment"]
    names = {*Settings.model_fields, *Environment.__struct_fields__}
    fields = {f"SHOPLOOP_{name.upper()}" for name in names}
    assert {name for name in environment if name.startswith("SHOPLOOP_")} <= fields


def test_compose__publishes_on_loopback_only(services: dict) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose__holds_no_password() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert "PASSWORD: ${POSTGRES_PASSWORD}" in text
    assert not any(word in text.lower() for word in ("minioadmin", "postgres:postgres", "changeme"))


def test_dockerfile__installs_a_lock_that_is_there() -> None:
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    lock = next(line.split("=", 1)[1] for line in lines if line.startswith("ARG LOCK="))
    assert (ROOT / lock).is_file()
