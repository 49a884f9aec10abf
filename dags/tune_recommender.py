"""Search for better choices of the sequence model within a budget; params.yaml is changed by a person, not by this."""

from datetime import timedelta

from airflow.sdk import DAG, Param, chain
from steps import RETRIED, Action, stage

with DAG(
    "tune_recommender",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    default_args=RETRIED,
    params={
        "budget_minutes": Param(
            60,
            type="number",
            exclusiveMinimum=0,
            maximum=600,
            title="Budget (minutes)",
            description="For the search and the comparison at its end; features are built before it",
        ),
    },
    tags=["shoploop"],
):
    # In a workspace of its own: run ids are unique within a DAG only.
    open_tuning = Action(
        task_id="open_tuning", opens=True, arguments=["--run-id={{ dag.dag_id }}-{{ run_id }}"]
    )
    tune_sequence = Action(
        task_id="tune_sequence",
        arguments=["--budget-minutes={{ params.budget_minutes }}"],
        execution_timeout=timedelta(hours=12),
        pool="gpu",
    )
    chain(open_tuning, stage("validate_data"), stage("split_weeks"), stage("build_features"), tune_sequence)
