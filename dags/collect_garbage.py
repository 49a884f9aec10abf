"""Remove old workspaces, Bentos, cached files and MLflow runs; params.yaml says what is kept."""

from airflow.sdk import DAG
from steps import RETRIED, Action, on_time

with DAG(
    "collect_garbage",
    doc_md=__doc__,
    schedule=on_time("0 3 * * SUN"),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIED,
    tags=["shoploop"],
):
    Action(task_id="collect_garbage", opens=True)
