"""Once a day: alert who is on call when nothing was released for longer than params.yaml allows."""

from airflow.sdk import DAG
from steps import RETRIED, Action, on_time

with DAG(
    "watch_releases",
    doc_md=__doc__,
    schedule=on_time("0 9 * * *"),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIED,
    tags=["shoploop"],
):
    Action(task_id="watch_releases", opens=True)
