"""`shoploop train`: what the form of the DAG `train_recommender` does, from the command line."""

from typing import Annotated, Any

import typer

from pipelines.commands.console import say, say_json
from pipelines.commands.run import follow_to_end, require_airflow, tell_started, with_airflow

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]


def train(
    history_weeks: Annotated[int | None, typer.Option(help="Weeks of history to learn from.", min=3)] = None,
    model_size: Annotated[
        str | None, typer.Option(help="Size of the sequence model: small, base or large.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the history at most.", min=1)] = None,
    promote: Annotated[bool, typer.Option(help="Release the candidate if it passes the gate.")] = True,
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="Ask a person in Airflow first.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept with the run.")] = "shoploop train",
    follow: Annotated[bool, typer.Option(help="Show the run until it ends.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start a training run and show it to its end.

    What is not given stays as params.yaml says.
    """
    form = {"history_weeks": history_weeks, "model_size": model_size, "epochs": epochs, "promote": promote}
    form |= {"require_approval": require_approval, "reason": reason}
    conf = {name: value for name, value in form.items() if value is not None}
    require_airflow("shoploop train")
    with_airflow(lambda airflow: _train(airflow, conf, follow, as_json))


def _train(airflow: Any, conf: dict[str, Any], follow: bool, as_json: bool) -> None:
    from pipelines.commands.epilogue import tell_outcome
    from pipelines.settings import settings
    from pipelines.stack import runs

    runs.wait_for_dags(airflow)
    run_id = str(airflow.trigger(runs.TRAIN, conf)["dag_run_id"])
    if not follow:
        tell_started(settings(), runs.TRAIN, run_id, as_json)
        return
    outcome = follow_to_end(settings(), airflow, runs.TRAIN, run_id, quiet=as_json)
    if as_json:
        say_json(run_document(runs.TRAIN, run_id, outcome.state, outcome.task_seconds))
    else:
        tell_outcome(settings(), outcome, say)


def run_document(dag_id: str, run_id: str, state: str, task_seconds: dict[str, float]) -> dict[str, Any]:
    """What a script wants to know of a run that ended, with the gate's decision when there is one."""
    from pipelines.settings import settings
    from pipelines.stack import runs
    from pipelines.stack.files import read_json

    decision = read_json(runs.decision_file(settings(), run_id))
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "state": state,
        "task_seconds": task_seconds,
        "decision": decision or None,
    }
