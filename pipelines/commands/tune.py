"""`shoploop tune`: what the form of the DAG `tune_recommender` does, from the command line."""

from typing import Annotated, Any

import typer

from pipelines.commands.console import say, say_json
from pipelines.commands.run import follow_to_end, require_airflow, tell_started, with_airflow

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]


def tune(
    budget_minutes: Annotated[
        float, typer.Option(help="For the search and the comparison at its end.", min=0.1, max=600)
    ] = 60,
    follow: Annotated[bool, typer.Option(help="Show the run until it ends.")] = True,
    as_json: AsJson = False,
) -> None:
    """Search for better choices of the model in a given time.

    What may be tried is said in params.yaml (tune_sequence). The best choices are compared with today's on a week
    that the search did not see; params.yaml itself is yours to change.
    """
    require_airflow("shoploop tune")
    with_airflow(lambda airflow: _tune(airflow, {"budget_minutes": budget_minutes}, follow, as_json))


def _tune(airflow: Any, conf: dict[str, Any], follow: bool, as_json: bool) -> None:
    from pipelines.settings import settings
    from pipelines.stack import runs
    from pipelines.stack.files import read_json
    from pipelines.workspace import workspace_of

    runs.wait_for_dags(airflow, runs.TUNE)
    run_id = str(airflow.trigger(runs.TUNE, conf)["dag_run_id"])
    if not follow:
        tell_started(settings(), runs.TUNE, run_id, as_json)
        return
    outcome = follow_to_end(settings(), airflow, runs.TUNE, run_id, quiet=as_json)
    workspace = workspace_of(settings(), runs.TUNE, run_id)
    result = read_json(workspace / "run" / "tune_sequence.json")
    if as_json:
        say_json({"dag_id": runs.TUNE, "run_id": run_id, "state": outcome.state} | result)
    else:
        say(f"\n{result['note']}\nEvery trial: {settings().mlflow}")
