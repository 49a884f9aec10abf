"""`shoploop component`: one process of the stack in the foreground, the entry point of its container."""

import os
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
    """Make or upgrade Airflow's database, and end: what the containers wait for."""
    from pipelines.settings import settings
    from pipelines.stack.components import database_migration

    command, environment = database_migration(settings())
    os.execvpe(command[0], command, environment)
