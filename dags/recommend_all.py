"""Write what the live release recommends to every shopper it knows into one Parquet file, for an e-mail campaign."""

from airflow.sdk import DAG, Param
from steps import RETRIED, Action

with DAG(
    "recommend_all",
    doc_md=__doc__,
    schedule=None,
    max_active_runs=1,
    default_args=RETRIED,
    params={
        "k": Param(10, type="integer", minimum=1, maximum=100, title="Items", description="For each shopper"),
    },
    tags=["shoploop"],
):
    Action(task_id="recommend_all", opens=True, arguments=["--k={{ params.k }}"])
