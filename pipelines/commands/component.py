"""`shoploop component`: one process of the stack in the foreground, the entry point of its container."""

import os
import subprocess
import sys
from typing import Annotated

import typer

from pipelines.commands.console import fail


def component(
    name: Annotated[str, typer.Argument(help="For example airflow-scheduler, mlflow or endpoint.")],
) -> None:
    """Become one process of the stack, in the foreground."""
    from pipelines.settings import settings
    from pipelines.stack.components import components

    parts = {part.name: part for part in components(settings())}
    if name not in parts:
        fail(f"There is no component {name!r}; there are: {', '.join(parts)}", code=2)
    sys.stdout.flush()
    os.execvpe(parts[name].command[0], parts[name].command, parts[name].environment)


def prepare() -> None:
    """Make or upgrade Airflow's database and the pool of the trainings, and end: what the containers wait for."""
    from pipelines.settings import settings
    from pipelines.stack.components import database_migration
    from pipelines.stack.supervisor import TRAINING_POOL

    migration, environment = database_migration(settings())
    pools = (sys.executable, "-m", "airflow", "pools")
    name, slots, description = TRAINING_POOL
    _succeed(migration, environment)
    # By Airflow's own command: its web server, which `shoploop up` asks instead, starts only after this one ended.
    if subprocess.run((*pools, "get", name), env=environment, check=False).returncode:
        _succeed((*pools, "set", name, str(slots), description), environment)


def _succeed(command: tuple[str, ...], environment: dict[str, str]) -> None:
    if code := subprocess.run(command, env=environment, check=False).returncode:
        raise typer.Exit(code)
