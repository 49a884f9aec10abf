"""Land what is new, validate it, and publish `events` when something was accepted."""

from airflow.sdk import DAG, Asset, Param, chain
from steps import RETRIED, Action, on_time

with DAG(
    "ingest_events",
    doc_md=__doc__,
    schedule=on_time("30 5 * * *"),
    catchup=False,
    # Batches are accepted in the order in which they land: weeks follow one another.
    max_active_runs=1,
    default_args=RETRIED,
    params={
        "weeks": Param(
            0,
            type="integer",
            minimum=0,
            maximum=53,
            title="Weeks to replay",
            description="Further weeks of the shop; 0: posted events, and the history if there is none",
        ),
        "file": Param(
            None,
            type=["null", "string"],
            title="File",
            description="Path of a Parquet or CSV file with events, instead",
        ),
        "backfill": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d+:\d+$",
            title="Backfill",
            description="Accepted weeks to read again from the source instead, FIRST:LAST, for example 3:7",
        ),
    },
    tags=["shoploop"],
):
    land_batch = Action(
        task_id="land_batch",
        opens=True,
        arguments=[
            "--weeks={{ params.weeks }}",
            "{{ '--file=' ~ params.file if params.file else '' }}",
            "{{ '--backfill=' ~ params.backfill if params.backfill else '' }}",
        ],
    )
    # A batch that breaks a rule breaks it again: no second try.
    validate_batch = Action(task_id="validate_batch", opens=True, retries=0)
    refresh_state = Action(task_id="refresh_state", opens=True)
    # Skipped when nothing new was accepted: a skipped task publishes no asset.
    publish_events = Action(task_id="publish_events", opens=True, outlets=[Asset("events")])
    chain(land_batch, validate_batch, refresh_state, publish_events)
