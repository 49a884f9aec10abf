"""`shoploop action …`: the actions that open, run, record and finish a training run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from pipelines.commands.console import fail, say
from pipelines.settings import settings

if TYPE_CHECKING:
    from pipelines.registry import Registry
    from pipelines.releases.ledger import Ledger

app = typer.Typer(no_args_is_help=True)
CANNOT_SUCCEED = 2

WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="The workspace of the run.")]


@app.command("open_run")
def open_run(
    workspace: WorkspaceOption,  # noqa: ARG001 - every action takes it; this one makes it, from the run id
    run_id: Annotated[str, typer.Option(help="Airflow's run id.")],
    choices: Annotated[
        str, typer.Option("--set", help="JSON object of dotted parameter: value; null is ignored.")
    ] = "{}",
    promote: Annotated[bool, typer.Option(help="Release a candidate that passes.")] = True,
    require_approval: Annotated[bool, typer.Option(help="Wait for a person before the release.")] = False,
    reason: Annotated[str, typer.Option(help="Why the run was started.")] = "",
) -> None:
    """Make the workspace of a run: code, parameters, inputs, champion."""
    from pipelines.actions.open_run import RunRequest, open_run

    overrides = {key: value for key, value in json.loads(choices).items() if value is not None}
    with explained():
        facts = open_run(settings(), RunRequest(run_id, overrides, promote, require_approval, reason))
    say(
        yaml.safe_dump(
            {name: getattr(facts, name) for name in facts.__dataclass_fields__}, sort_keys=False
        ).rstrip()
    )


@app.command("run_stage")
def run_stage(
    workspace: WorkspaceOption, stage: Annotated[str, typer.Option(help="A stage of dvc.yaml.")]
) -> None:
    """Bring one stage of dvc.yaml up to date."""
    from pipelines.actions.run_stage import run_stage

    raise typer.Exit(run_stage(settings(), workspace, stage))


@app.command("log_run")
def log_run(workspace: WorkspaceOption) -> None:
    """Log the run to MLflow."""
    from pipelines.actions.log_run import log_run

    with explained():
        say(f"MLflow run {log_run(_registry(), workspace)}")


@app.command("read_decision")
def read_decision(workspace: WorkspaceOption) -> None:
    """Print the quality decision, keep it in the ledger and choose the branch."""
    from pipelines.actions.read_decision import read_decision

    with explained():
        result = read_decision(_ledger(), workspace)
    say(str(result["text"]))
    say(f"The run goes on with {result['branch']}")


@app.command("register_version")
def register_version(workspace: WorkspaceOption) -> None:
    """Register the judged bundle as a model version, without an alias."""
    from pipelines.actions.register_version import register_version

    with explained():
        say(f"recommender version {register_version(_registry(), workspace)}")


@app.command("mark_champion")
def mark_champion(
    workspace: Annotated[
        Path | None, typer.Option(help="The workspace of the run, when there is one.")
    ] = None,
) -> None:
    """Make the alias `champion` name what the ledger says is live."""
    from pipelines.actions.mark_champion import mark_champion

    with explained():
        say(mark_champion(_registry(), _ledger(), workspace))


@app.command("finish_run")
def finish_run(
    workspace: WorkspaceOption, task: Annotated[str, typer.Option(help="The task that ends the run.")]
) -> None:
    """Record how the run ended."""
    from pipelines.actions.finish_run import finish_run

    with explained():
        say(finish_run(_ledger(), workspace, task))


@app.command("open_tuning")
def open_tuning(
    workspace: WorkspaceOption,  # noqa: ARG001 - as in open_run
    run_id: Annotated[str, typer.Option(help="Id of the run.")],
) -> None:
    """Make the workspace of a search for better choices."""
    from pipelines.actions.open_tuning import open_tuning

    with explained():
        say(open_tuning(settings(), run_id))


@app.command("tune_sequence")
def tune_sequence(
    workspace: WorkspaceOption,
    budget_minutes: Annotated[float, typer.Option(help="How long the search may take.", min=0)],
) -> None:
    """Search for better choices of the sequence model."""
    from pipelines.actions.tune_sequence import tune_sequence

    with explained():
        say(str(tune_sequence(_registry(), workspace, budget_minutes, say)["note"]))


@app.command("publish_events")
def publish_events(workspace: WorkspaceOption) -> None:
    """Say which accepted batches nobody was told of yet."""
    from pipelines.actions.publish_events import publish_events
    from pipelines.landing import Landing

    with explained():
        say(publish_events(Landing(settings().landing), workspace)["note"])


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors that a second try would meet again into their message and an exit code that says so."""
    from pipelines.domain import BundleError
    from pipelines.landing import LandingError
    from pipelines.params import ParamsError
    from pipelines.snapshot import SnapshotError
    from pipelines.workspace import WorkspaceError

    try:
        yield
    except (ParamsError, WorkspaceError, SnapshotError, BundleError, LandingError) as error:
        fail(str(error), CANNOT_SUCCEED)


def _ledger() -> "Ledger":
    from pipelines.releases.ledger import Ledger

    return Ledger(settings().ledger)


def _registry() -> "Registry":
    from pipelines.registry import Registry

    return Registry(settings().mlflow)


if __name__ == "__main__":
    app()
