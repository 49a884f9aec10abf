"""Give the endpoint the shoppers' histories as they have landed, while it goes on serving."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.actions.fetch_champion import BUNDLE_IN_BENTO
from pipelines.contracts import EVENTS
from pipelines.contracts.versions import read_accepted
from pipelines.evaluation.splits import with_weeks
from pipelines.features.histories import Histories
from pipelines.features.history_view import VIEW, histories_of, views_of
from pipelines.features.views import FOLDER
from pipelines.landing import Landing
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.releases.switch import Switch
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.shop import open_shop
from pipelines.tables import sha256
from pipelines.weeks import to_micros
from serving.state import Redemption, Refresh
from serving.stores import open_state


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
    """Replace all histories at once; with a workspace the result is also in its ``run/``.

    Posted events that have landed meanwhile are counted once: they leave the endpoint's fresh purchases.

    Raises:
        StateError: The state cannot be written; the endpoint keeps what it had.
    """
    landing = Landing(settings.landing)
    state = open_state(settings.state_url, settings.state_file)
    try:
        with landing.lock():
            landed = _landed_among(landing, state.fresh_event_ids())
            histories, made_of, redemptions = landed_histories(
                settings, live_views(Ledger(settings.ledger), settings.bentoml_home)
            )
        count = state.replace_histories(histories or (), landed, made_of.judged_through, made_of, redemptions)
        fresh = len(state.fresh_event_ids())
    finally:
        state.close()
    rows = len(histories.items) if histories else 0
    said = f"{count} shoppers with {rows} purchases; {fresh} posted purchases have not landed yet"
    result = RefreshResult(count, rows, fresh, said)
    if workspace is not None:
        write_result(workspace, "refresh_state", asdict(result))
    return result


def landed_histories(
    settings: Settings, folder: Path = FOLDER
) -> tuple[Histories | None, Refresh, list[Redemption]]:
    """Histories from all accepted events by the view in ``folder``, None of nothing; what they are made of.

    And the redemptions among the events.
    """
    shop = open_shop(settings)
    files, items = shop.landing.event_files(), shop.landing.reference_file("items")
    usable = bool(files) and items.exists()
    events = pa.concat_tables([read_accepted(path, EVENTS) for path in files]) if usable else None
    # Whatever was accepted is known, also when the clock stands a moment before it.
    now = shop.clock.now() if events is None else max(shop.clock.now(), pc.max(events["ingested_at"]).as_py())
    made_of = Refresh(
        at_us=to_micros(now) + 1,
        week=shop.calendar.week_of(now),
        batch_ids=tuple(path.stem for path in files),
        view_sha256=sha256(folder / f"{VIEW}.sql"),
        items_sha256=sha256(items) if items.exists() else "",
        judged_through=shop.landing.posted_through(),
    )
    if events is None:
        return None, made_of, []
    redemptions = redemptions_among(events)
    events = with_weeks(events, shop.calendar)
    histories = histories_of(events, items, made_of.at_us, made_of.week, folder)
    return histories if len(histories) else None, made_of, redemptions


def redemptions_among(events: pa.Table) -> list[Redemption]:
    """Event, shopper and campaign of each redemption that no other event corrects."""
    mine = (pc.field("event_type") == "redemption") & pc.field("campaign_id").is_valid()
    columns = (events.filter(mine)[name].to_pylist() for name in ("event_id", "user_id", "campaign_id"))
    corrected = set(pc.unique(events["corrects"].drop_null()).to_pylist())
    return [row for row in zip(*columns, strict=True) if row[0] not in corrected]


def live_views(ledger: Ledger, store: Path) -> Path:
    """Where the view of the live release is: the checkout may hold an edit that no gate has judged."""
    live = ledger.live()
    return FOLDER if live is None else _views_of(live, store)


def refresh_after(settings: Settings, ledger: Ledger, switch: Switch) -> None:
    """Make the histories anew where the release that is live now makes them by another view than the one before.

    Raises:
        StateError: The state cannot be written; the endpoint keeps what it had.
    """
    store = settings.bentoml_home
    before, now = (
        ledger.release(name) if name else None for name in (switch.previous_release_id, switch.release_id)
    )
    if before is not None and now is not None and _view(before, store) != _view(now, store):
        refresh_state(settings)


def _views_of(release: Release, store: Path) -> Path:
    return views_of(release.bento_folder(store) / BUNDLE_IN_BENTO)


def _view(release: Release, store: Path) -> str:
    return (_views_of(release, store) / f"{VIEW}.sql").read_text()


def _landed_among(landing: Landing, event_ids: list[str]) -> Iterable[str]:
    files = [str(path) for path in landing.event_files()]
    if not files or not event_ids:
        return []
    with duckdb.connect() as database:
        query = "SELECT event_id FROM read_parquet($files) WHERE list_contains($ids, event_id)"
        return [row[0] for row in database.execute(query, {"files": files, "ids": event_ids}).fetchall()]
