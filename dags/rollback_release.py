"""Go back to an earlier release, without retraining; it is warm, so this takes seconds."""

from airflow.sdk import DAG, Asset, Param, chain
from steps import RETRIED, Action

with DAG(
    "rollback_release",
    doc_md=__doc__,
    schedule=None,
    # Two people pressing the button at once should go back once, then again from where the first ended.
    max_active_runs=1,
    default_args=RETRIED,
    params={
        "release_id": Param(
            "",
            type=["null", "string"],
            title="Release",
            description="For example r-44-1a2b3c4d; empty: the one before",
        ),
        "reason": Param(type="string", minLength=3, title="Reason", description="Kept in the ledger"),
    },
    tags=["shoploop"],
):
    roll_back = Action(
        task_id="roll_back",
        opens=True,
        arguments=[
            "{{ '--release-id=' ~ params.release_id if params.release_id else '' }}",
            "--reason={{ params.reason }}",
        ],
    )
    chain(roll_back, Action(task_id="mark_champion", opens=True, outlets=[Asset("champion")]))
