"""`shoploop land`: bring the shop's next weeks, or a file, into the landing store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.console import fail, say
from pipelines.commands.run import follow_to_end, with_airflow

if TYPE_CHECKING:
    from pipelines.settings import Settings


def land(
    weeks: Annotated[
        int | None,
        typer.Option(help="How many more weeks; 0 lands only the history, if it is missing.", min=0, max=52),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Events in Parquet or CSV.", exists=True, dir_okay=False, resolve_path=True),
    ] = None,
    backfill: Annotated[
        str | None,
        typer.Option(metavar="FIRST:LAST", help="Accepted weeks to read again from the source, e.g. 3:7."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Also show the training run that the landing starts.")] = True,
) -> None:
    """Land the next real weeks, a file, or past weeks anew.

    With the stack up this is the DAG `ingest_events`; without it the batch is landed here
    and no training starts.
    """
    from pipelines.settings import settings
    from pipelines.stack.supervisor import is_up

    if sum(given is not None for given in (weeks, file, backfill)) != 1:
        fail("Say what to land: one of --weeks N, --file F and --backfill FIRST:LAST.", code=2)
    if backfill is not None:
        read_range(backfill)
    conf: dict[str, Any] = {"weeks": weeks or 0, "file": str(file) if file else None, "backfill": backfill}
    if is_up(settings()):
        with_airflow(lambda airflow: _by_airflow(airflow, conf, follow))
    else:
        _here(settings(), weeks, file, backfill)


def read_range(text: str) -> tuple[int, int]:
    """First and last week of ``FIRST:LAST``; anything else ends the command."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdecimal() and last.isdecimal()):
        fail(f"--backfill: expected FIRST:LAST, two week numbers such as 3:7, found {text!r}", code=2)
    return int(first), int(last)


def _here(settings: "Settings", weeks: int | None, file: Path | None, backfill: str | None) -> None:
    """Land and validate in this process, as the first two tasks of the DAG do."""
    from pipelines.actions.land_batch import LandRequest, land_batch
    from pipelines.actions.validate_batch import validate_batch
    from pipelines.commands.actions_data import explained

    say("The stack is not up, so this is done here")
    with explained():
        again = read_range(backfill) if backfill else None
        request = LandRequest(weeks=weeks or 0, file=file, backfill=again)
        say(land_batch(settings, request, say=say).message)
        result = validate_batch(settings)
    say(result.message)
    say(f"Great Expectations' findings: {result.data_docs}")
    say("No training starts from here: `shoploop run` starts the stack and trains what is new.")


def _by_airflow(airflow: Any, conf: dict[str, Any], follow: bool) -> None:
    from pipelines.commands.epilogue import tell_outcome
    from pipelines.settings import settings
    from pipelines.stack import runs

    runs.wait_for_dags(airflow)
    ingest = str(airflow.trigger(runs.INGEST, conf)["dag_run_id"])
    published = follow_to_end(settings(), airflow, runs.INGEST, ingest).took("publish_events")
    say(f"The shop has landed up to week {runs.landed_week(settings())}")
    if not follow:
        return
    training = runs.asset_run_of(airflow, ingest) if published else None
    if training is None:
        say(_why_no_training(airflow, published))
        return
    tell_outcome(settings(), follow_to_end(settings(), airflow, runs.TRAIN, training), say)


def _why_no_training(airflow: Any, published: bool) -> str:
    from pipelines.stack import runs

    if not published:
        return "Nothing new was published, so no training starts"
    if active := runs.active_run(airflow, runs.TRAIN):
        return f"Training run {active} goes on; that of this landing starts when it has ended"
    return "No training has started yet; `shoploop run` trains what has landed"
