"""`shoploop run`: from the shop's data to a served recommendation, and what is left of it the second time."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.commands.console import fail, say, say_json, whisper
from pipelines.commands.stack import PortAirflow, PortEndpoint, PortMlflow, access, bring_up

if TYPE_CHECKING:
    from pipelines.commands.progress import FollowedRun
    from pipelines.settings import Settings
    from pipelines.stack.airflow_api import Airflow


def run(
    port_airflow: PortAirflow = None, port_mlflow: PortMlflow = None, port_endpoint: PortEndpoint = None
) -> None:
    """Do the whole loop, from data to recommendation.

    Start the stack, land the history, train, judge, release, recommend. What is finished is not done again.
    """
    from pipelines.settings import settings

    began = time.monotonic()
    bring_up({"port_airflow": port_airflow, "port_mlflow": port_mlflow, "port_endpoint": port_endpoint})
    steps = {"start the stack": time.monotonic() - began}
    with_airflow(lambda airflow: _loop(settings(), airflow, steps))


def _loop(settings: "Settings", airflow: "Airflow", steps: dict[str, float]) -> None:
    from pipelines.commands import epilogue
    from pipelines.stack import runs

    runs.wait_for_dags(airflow)
    training = _land_history(settings, airflow, steps) or _training_due(settings, airflow)
    if training:
        outcome = follow_to_end(settings, airflow, runs.TRAIN, training)
        steps |= outcome.task_seconds
        epilogue.tell_outcome(settings, outcome, say)
    epilogue.tell_recommendations(settings, say)
    epilogue.tell_times(steps, say)
    say("\nThe stack stays up; `make down` or `shoploop down` stops it.")
    say(access())


def _land_history(settings: "Settings", airflow: "Airflow", steps: dict[str, float]) -> str | None:
    """Land and publish the history unless it is there; gives the training run that this started."""
    from pipelines.stack import runs

    ingest = runs.active_run(airflow, runs.INGEST)
    week, waiting = runs.landed_week(settings), runs.unpublished_batches(settings)
    if ingest:
        say(f"\nAn ingest runs already ({ingest}); following it")
    elif week and not waiting:
        say(f"\nThe history is landed already, up to week {week}")
        return None
    else:
        # What was accepted outside a finished ingest is made known to the endpoint by the next one.
        ingest = str(airflow.trigger(runs.INGEST, {"weeks": 0})["dag_run_id"])
        what = f"Publishing {', '.join(waiting)}" if week else "Landing the shop's history"
        say(f"\n{what} (DAG {runs.INGEST}, {ingest})")
    steps |= follow_to_end(settings, airflow, runs.INGEST, ingest).task_seconds
    return runs.asset_run_of(airflow, ingest)


def _training_due(settings: "Settings", airflow: "Airflow") -> str | None:
    """The training run to follow when none was started by a landing; None when all is done."""
    from pipelines.commands.epilogue import live_release
    from pipelines.stack import runs

    active = runs.active_run(airflow, runs.TRAIN)
    if active:
        say(f"\nA training runs already ({active}); following it")
        return active
    done = runs.last_finished_training(settings, airflow)
    week = runs.landed_week(settings)
    if done and done["week"] == week and done["tree_id"] == runs.current_tree(settings):
        live = live_release(settings)
        say(f"Nothing new since training run {done['dag_run_id']}: same week {week}, same code.")
        say(f"Live is release {live}." if live else "Its candidate was not promoted, so nothing is live yet.")
        return None
    why = (
        "code or parameters were edited"
        if done and done["week"] == week
        else f"week {week} has no finished training"
    )
    say(f"Training, because {why}")
    return str(airflow.trigger(runs.TRAIN, {"reason": f"shoploop run: {why}"})["dag_run_id"])


def follow_to_end(
    settings: "Settings", airflow: "Airflow", dag_id: str, run_id: str, quiet: bool = False
) -> "FollowedRun":
    """Show a run until it ends, on stderr when ``quiet``; a failed one ends the command with what failed."""
    from pipelines.commands.progress import failure_report, follow, run_url

    tell = whisper if quiet else say
    tell(f"\n{dag_id}  {run_url(settings, dag_id, run_id)}")
    outcome = follow(settings, airflow, dag_id, run_id, tell, terminal=sys.stdout.isatty() and not quiet)
    if outcome.state == "failed":
        fail(failure_report(settings, airflow, outcome))
    return outcome


def tell_started(settings: "Settings", dag_id: str, run_id: str, as_json: bool) -> None:
    """Say where a run that nobody follows is seen."""
    from pipelines.commands.progress import run_url

    url = run_url(settings, dag_id, run_id)
    if as_json:
        say_json({"dag_id": dag_id, "run_id": run_id, "url": url})
    else:
        say(f"Started {run_id}: {url}")


def with_airflow(work: "Callable[[Airflow], None]") -> None:
    """Do ``work`` with a client of Airflow; its failures and Ctrl-C end the command in words."""
    from pipelines.settings import settings
    from pipelines.stack.airflow_api import Airflow, AirflowError

    try:
        work(Airflow(settings()))
    except AirflowError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail(
            "\nStopped watching. The stack stays up and the run goes on; `shoploop run` follows it again.",
            code=130,
        )


def require_airflow(command: str) -> None:
    """End the command unless the stack is up."""
    from pipelines.settings import settings
    from pipelines.stack.supervisor import is_up

    if not is_up(settings()):
        fail(
            f"`{command}` needs the stack: run `shoploop up` first (`shoploop status` says what is missing)."
        )
