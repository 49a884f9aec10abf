"""Once a week: build the live release once more, train it with another seed, and tell who is on call what differs."""

from datetime import timedelta

from airflow.sdk import DAG
from steps import RETRIED, Action, on_time

with DAG(
    "check_release",
    doc_md=__doc__,
    schedule=on_time("0 1 * * SAT"),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIED,
    tags=["shoploop"],
):
    Action(task_id="check_release", opens=True, execution_timeout=timedelta(hours=12), pool="gpu")
