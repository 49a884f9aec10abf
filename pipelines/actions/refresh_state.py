"""Give the endpoint the shoppers' histories as they have landed, while it goes on serving."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from pipelines.features.histories import Histories
from pipelines.features.views import read_view
from pipelines.landing import Landing
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from serving.state import ShopperState


@dataclass(frozen=True)
class RefreshResult:
    """What the endpoint knows now.

    Attributes:
        shoppers: How many have a history.
        purchases: Rows of all histories together.
        fresh_purchases: Posted purchases that have not landed yet; they count on top.
        message: The same in a sentence.
    """

    shoppers: int
    purchases: int
    fresh_purchases: int
    message: str


def refresh_state(settings: Settings, workspace: Path | None = None) -> RefreshResult:
    """Replace all histories in one transaction; with a workspace the result is also in its ``run/``.

    Posted events that have landed meanwhile are counted once: they leave the endpoint's fresh purchases.

    Raises:
        sqlite3.Error: The state file cannot be written; the endpoint keeps what it had.
    """
    landing = Landing(settings.landing)
    state = ShopperState(settings.state_file)
    try:
        with landing.lock():
            landed = _landed_among(landing, state.fresh_event_ids())
            histories = landed_histories(landing)
            judged = landing.posted_through()
        count = state.replace_histories(histories or (), landed, judged)
        fresh = len(state.fresh_event_ids())
    finally:
        state.close()
    rows = len(histories.items) if histories else 0
    said = f"{count} shoppers with {rows} purchases; {fresh} posted purchases have not landed yet"
    result = RefreshResult(count, rows, fresh, said)
    if workspace is not None:
        write_result(workspace, "refresh_state", asdict(result))
    return result


def landed_histories(landing: Landing) -> Histories | None:
    """Histories from all accepted events, made by the view that training reads; None of nothing."""
    files = [str(path) for path in landing.event_files()]
    if not files or not landing.reference_file("items").exists():
        return None
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        events = "SELECT *, epoch_us(occurred_at) AS occurred_us, 0 AS week FROM read_parquet($files)"
        database.execute(f"CREATE TABLE known_events AS {events}", {"files": files})
        items = str(landing.reference_file("items"))
        database.execute("CREATE TABLE items AS SELECT * FROM read_parquet($items)", {"items": items})
        view = read_view("basket_lines")
        rows = database.execute(f"{view.sql} ORDER BY {', '.join(view.key)}").fetchnumpy()
    columns = (rows["user_id"], rows["item_id"], rows["occurred_us"], rows["basket"])
    return Histories.from_columns(*columns) if len(rows["user_id"]) else None


def _landed_among(landing: Landing, event_ids: list[str]) -> Iterable[str]:
    files = [str(path) for path in landing.event_files()]
    if not files or not event_ids:
        return []
    with duckdb.connect() as database:
        query = "SELECT event_id FROM read_parquet($files) WHERE list_contains($ids, event_id)"
        return [row[0] for row in database.execute(query, {"files": files, "ids": event_ids}).fetchall()]
