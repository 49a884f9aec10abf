"""Say whether the accepted events changed since they were last published as the asset `events`."""

from pathlib import Path
from typing import Any

from pipelines.landing import Accepted, Landing
from pipelines.run_facts import read_json, write_json, write_result

RECORD = "published.json"


def publish_events(landing: Landing, workspace: Path) -> dict[str, Any]:
    """Mark every accepted batch as published by the run of ``workspace``; without one, ``skip`` says so.

    What is new is told from the store and not from what this run accepted: a run that was killed between
    accepting and publishing is made good by the next.

    Returns:
        The task's result; an Airflow task that reads ``skip`` publishes no asset.
    """
    run_id = workspace.name
    with landing.lock():
        # What this very run published counts as new: its task may be tried again.
        new = unpublished(landing, besides=run_id)
        write_json(landing.root / RECORD, _published(landing) | dict.fromkeys(new, run_id))
    week = landing.last_week()
    words = f"week {week}: {', '.join(new)}" if new else f"nothing new since week {week}"
    result = {"batch_ids": new, "week": week, "note": words} | ({} if new else {"skip": words})
    write_result(workspace, "publish_events", result)
    return result


def unpublished(landing: Landing, besides: str = "") -> list[str]:
    """Accepted batches that no ingest run published, oldest present first.

    Args:
        landing: The store.
        besides: Id of a run whose own publications do not count.
    """
    # A batch of nothing but rows known before changes no data set, and so starts no training.
    accepted = [record.batch.batch_id for record in landing.accepted() if _brought_rows(record)]
    published = _published(landing)
    return [batch_id for batch_id in accepted if published.get(batch_id, besides) == besides]


def _brought_rows(record: Accepted) -> bool:
    return any(counts["accepted"] for counts in record.counts.values())


def _published(landing: Landing) -> dict[str, str]:
    path = landing.root / RECORD
    return read_json(path, "publish_events") if path.is_file() else {}
