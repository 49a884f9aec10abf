"""Which runs there are and which one belongs to what: the knowledge behind `shoploop run`."""

import time
from pathlib import Path
from typing import Any

from pipelines.settings import Settings
from pipelines.stack.airflow_api import Airflow, AirflowError, AirflowServerError
from pipelines.stack.files import read_json
from pipelines.workspace import workspace_path

INGEST = "ingest_events"
TRAIN = "train_recommender"
TUNE = "tune_recommender"
ACTIVE_STATES = ("queued", "running")
ASSET_WAIT_SECONDS = 60


def wait_for_dags(airflow: Airflow, *besides: str, seconds: float = 90) -> None:
    """Wait until Airflow has read the DAG files; on a first start this takes a few seconds.

    Raises:
        AirflowError: A DAG file cannot be read, or the DAGs do not appear.
    """
    end = time.monotonic() + seconds
    wanted = (INGEST, TRAIN, *besides)
    while not airflow.dag_ids().issuperset(wanted):
        errors = airflow.import_errors()
        if errors:
            raise AirflowError("Airflow cannot read these DAG files:\n" + "\n".join(errors))
        if time.monotonic() > end:
            raise AirflowError(
                f"The DAGs {', '.join(wanted)} did not appear in {seconds:.0f} s; "
                "see airflow-dag-processor.log among the logs that `shoploop status` names"
            )
        time.sleep(0.5)


def active_run(airflow: Airflow, dag_id: str) -> str | None:
    """Id of the oldest run of ``dag_id`` that is queued or running."""
    active = [run for run in airflow.runs(dag_id) if run["state"] in ACTIVE_STATES]
    return str(active[-1]["dag_run_id"]) if active else None


def asset_run_of(airflow: Airflow, ingest_run_id: str, seconds: float = ASSET_WAIT_SECONDS) -> str | None:
    """Id of the training run that an ingest run's asset event started.

    Returns:
        None when the ingest run published nothing, or when no run came within ``seconds``: Airflow makes none
        while another training is active.

    Raises:
        AirflowError: Airflow does not tell, and no training that an asset started is queued.
    """
    end = time.monotonic() + seconds
    query = {"source_dag_id": INGEST, "source_run_id": ingest_run_id}
    while True:
        try:
            events = airflow.request("GET", "/api/v2/assets/events", params=query)["asset_events"]
        except AirflowServerError:
            # Airflow 3.3.2 cannot describe an event whose run is still queued: the run has no start date yet.
            if time.monotonic() > end:
                if waiting := _queued_asset_run(airflow):
                    return waiting
                raise
        else:
            made = [run for event in events for run in event["created_dagruns"] if run["dag_id"] == TRAIN]
            if made:
                return str(made[0]["run_id"])
            if not events or time.monotonic() > end:
                return None
        time.sleep(0.5)


def _queued_asset_run(airflow: Airflow) -> str | None:
    """Id of the newest training run that an asset started and that waits for another one to end."""
    waiting = (run for run in airflow.runs(TRAIN) if run["state"] == "queued")
    return next((str(run["dag_run_id"]) for run in waiting if run["run_type"] == "asset_triggered"), None)


def last_finished_training(settings: Settings, airflow: Airflow) -> dict[str, Any] | None:
    """Facts (``run/run.json``) of the latest training run of params.yaml as it is that came to a verdict."""
    for run in airflow.runs(TRAIN):
        facts = run_facts(settings, run["dag_run_id"])
        # One that somebody started with choices of their own says nothing about params.yaml as it is.
        as_written = not facts.get("overrides") and facts.get("promote", True)
        if run["state"] == "success" and facts and as_written and not _package_refused(settings, run):
            return facts | {"dag_run_id": run["dag_run_id"]}
    return None


def _package_refused(settings: Settings, run: dict[str, Any]) -> bool:
    # Which may be for nothing but a busy machine: the same candidate deserves another try.
    result = workspace_path(settings, run["dag_run_id"]) / "run" / "decide_package.json"
    return read_json(result).get("branch") == "refused_package"


def run_facts(settings: Settings, run_id: str) -> dict[str, Any]:
    """What ``open_run`` recorded of a run; empty before it did."""
    return read_json(workspace_path(settings, run_id) / "run" / "run.json")


def decision_file(settings: Settings, run_id: str) -> Path:
    """The quality decision of a run."""
    return workspace_path(settings, run_id) / "reports" / "decision.json"


def current_tree(settings: Settings) -> str:
    """Tree id of the checkout as it is on disk now, edited files included."""
    from pipelines.snapshot import Entry, listed_files, tree_id

    checkout = settings.checkout.resolve()
    return tree_id(tuple(Entry.read(checkout, name) for name in listed_files(checkout)))


def unpublished_batches(settings: Settings) -> list[str]:
    """Accepted batches that neither the endpoint nor a training was told of yet."""
    from pipelines.actions.publish_events import unpublished
    from pipelines.landing import Landing

    return unpublished(Landing(settings.landing))


def landed_week(settings: Settings) -> int:
    """Last complete week in the landing store; 0 before the history is landed."""
    from pipelines.landing import Landing

    return Landing(settings.landing).last_week()
