"""The command line as a newcomer meets it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
import typer

from pipelines.cli import app
from pipelines.settings import CHECKOUT, Settings
from tests.stack.strangers import LISTENER, Spawn

COMMANDS = ("up", "down", "status", "run", "land", "train", "features", "releases", "recommend", "doctor")


def shoploop(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    ports = {f"SHOPLOOP_{name.upper()}": str(getattr(settings, name)) for name in type(settings).model_fields}
    environment = os.environ | ports
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def walk(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


ALL = list(walk(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "shoploop" for path, _ in ALL])
def test_help__every_command_and_option_is_explained(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help, f"shoploop {' '.join(path)} has no help"
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_help__lists_the_commands_whole_and_hides_the_actions(settings: Settings) -> None:
    done = shoploop(settings, "--help")
    listed = [line.split()[0] for line in done.stdout.split("Commands:")[1].splitlines() if line.strip()]
    assert set(COMMANDS) <= set(listed)
    assert "action" not in listed
    assert "..." not in done.stdout.split("Commands:")[1]


def test_help__does_not_wait_for_heavy_packages() -> None:
    heavy = "airflow tensorflow keras mlflow great_expectations pandas bentoml duckdb dvc sqlalchemy httpx"
    code = (
        f"import sys; import pipelines.cli; print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_status__of_a_stopped_stack_is_json_and_exit_code_1(settings: Settings) -> None:
    done = shoploop(settings, "status", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["healthy"] is False
    assert {part["state"] for part in found["parts"]} == {"stopped"}
    assert {part["name"] for part in found["parts"]} >= {"mlflow", "airflow-scheduler", "airflow-api-server"}


def test_status__json_holds_no_password(settings: Settings) -> None:
    done = shoploop(settings, "status", "--json")
    password = json.loads(settings.secrets_file.read_text())["airflow_password"]
    assert password not in done.stdout


def test_down__of_nothing_says_so(settings: Settings) -> None:
    done = shoploop(settings, "down")
    assert (done.returncode, done.stdout) == (0, "Nothing was running\n")


def test_up__with_a_busy_port_starts_nothing_and_is_exit_code_2(settings: Settings, stranger: Spawn) -> None:
    process = stranger(LISTENER.format(port=settings.port_mlflow))
    done = shoploop(settings, "up")
    assert done.returncode == 2
    assert f"Port {settings.port_mlflow} is taken by process {process.pid}" in done.stderr
    assert "--port-mlflow" in done.stderr
    assert not (settings.home / "processes").exists()
    assert process.poll() is None


def test_recommend__without_an_endpoint_says_how_to_start_it(settings: Settings) -> None:
    done = shoploop(settings, "recommend", "1")
    assert done.returncode == 1
    assert "shoploop up" in done.stderr
    assert done.stdout == ""


def test_train__without_the_stack_says_how_to_start_it(settings: Settings) -> None:
    done = shoploop(settings, "train")
    assert done.returncode == 1
    assert "run `shoploop up` first" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--weeks", "1", "--file", "pyproject.toml"]])
def test_land__wants_one_thing_to_land(settings: Settings, arguments: list[str]) -> None:
    done = shoploop(settings, "land", *arguments)
    assert done.returncode == 2
    assert "one of --weeks N, --file F and --backfill FIRST:LAST" in done.stderr


def test_make__lists_every_command_with_one_line() -> None:
    done = subprocess.run(["make", "-C", str(CHECKOUT)], capture_output=True, text=True, check=True)
    listed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  make ")]
    wanted = {"setup", "run", "up", "down", "status", "test", "lint", "format", "lock", "repro", "docs"}
    assert wanted <= set(listed)
    assert all(len(line.split()) > 3 for line in done.stdout.splitlines() if line.startswith("  make "))


def test_make__names_the_python_it_needs_when_there_is_none(tmp_path: object) -> None:
    command = [str(CHECKOUT / "requirements" / "make-venv.sh"), f"{tmp_path}/venv"]
    environment = os.environ | {"PYTHON": "/usr/bin/false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "PYTHON=/path/to/python3.12" in done.stderr
