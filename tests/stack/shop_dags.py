"""The edges of the real DAGs with a small work in each task: what `shoploop run` follows in tests/stack."""

from pathlib import Path

from airflow.sdk import DAG, Asset, task

EVENTS = Asset("events")
BROKEN = Path(__file__).parent / "broken"

with DAG("ingest_events", schedule=None):

    @task(outlets=[EVENTS])
    def publish_events() -> None:
        """Publish the asset."""

    publish_events()

with DAG("train_recommender", schedule=[EVENTS]):

    @task
    def train_sequence() -> None:
        """Fail while the file `broken` is there."""
        print(f"looking for {BROKEN}")
        if BROKEN.exists():
            raise RuntimeError("the loss is not a number")

    @task
    def finished() -> None:
        """End."""

    train_sequence() >> finished()
