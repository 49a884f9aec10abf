"""`shoploop action …`: the actions that land, validate and fetch the shop's data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.console import fail, say
from pipelines.settings import settings

app = typer.Typer(no_args_is_help=True)
CANNOT_SUCCEED = 2

OptionalWorkspace = Annotated[Path | None, typer.Option("--workspace", help="Where to leave the result.")]


@app.command("land_batch")
def land_batch(
    workspace: OptionalWorkspace = None,
    weeks: Annotated[int, typer.Option(help="How many more weeks of the source.", min=0)] = 0,
    until_week: Annotated[int | None, typer.Option(help="Or: land up to this week.", min=1)] = None,
    file: Annotated[
        Path | None, typer.Option(help="Or: a Parquet or CSV file in a contract's columns.")
    ] = None,
    data_set: Annotated[str, typer.Option(help="The contract that the file is in.")] = "events",
    week: Annotated[int | None, typer.Option(help="The shop week that the file completes.", min=1)] = None,
    backfill: Annotated[
        str | None, typer.Option(help="Or: accepted weeks to read again, FIRST:LAST.")
    ] = None,
) -> None:
    """Land what is new: posted events, weeks of the source, a file, or past weeks anew."""
    from pipelines.actions.land_batch import LandRequest, land_batch
    from pipelines.commands.land import read_range

    again = read_range(backfill) if backfill else None
    request = LandRequest(weeks, until_week, file, data_set, week, again)
    with explained():
        say(land_batch(settings(), request, workspace, say).message)


@app.command("validate_batch")
def validate_batch(workspace: OptionalWorkspace = None) -> None:
    """Validate what has landed; accept it, or refuse it whole."""
    from pipelines.actions.validate_batch import validate_batch

    with explained():
        result = validate_batch(settings(), workspace)
    say(result.message)
    say(f"Great Expectations' findings: {result.data_docs}")


@app.command("fetch_inputs")
def fetch_inputs(
    workspace: Annotated[
        Path, typer.Option("--workspace", help="A checkout; its data/inputs is written.")
    ] = Path(),
) -> None:
    """Bring the accepted data into a workspace."""
    from pipelines.actions.fetch_inputs import fetch_inputs

    with explained():
        say(fetch_inputs(settings(), workspace).message)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what is wrong with the data into its message, and an exit code that says whether a retry may "
    "help."""
    from pipelines.actions.validate_batch import BatchRefusedError
    from pipelines.clock import ClockError
    from pipelines.contracts.declaration import ContractError
    from pipelines.landing import LandingError
    from pipelines.params import ParamsError
    from pipelines.sources.declaration import SourceError
    from pipelines.tables import StorageError

    try:
        yield
    except StorageError as error:  # a full disk may have room later
        fail(str(error), 1)
    except (BatchRefusedError, ContractError, LandingError, ParamsError, SourceError, ClockError) as error:
        fail(str(error), CANNOT_SUCCEED)
