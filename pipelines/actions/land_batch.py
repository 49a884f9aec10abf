"""Land what is new: events posted to the endpoint, weeks of the shop's source, or a file."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pipelines.batches import Intake
from pipelines.contracts import CONTRACTS
from pipelines.landing import Batch, LandingError
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.shop import OpenShop, open_shop
from pipelines.sources.files import read_file
from pipelines.sources.posted_events import read_posted
from pipelines.sources.shop_source import Say, ShopSource, Tables
from pipelines.tables import StorageError, read_json, sha256
from pipelines.workspace import RUN_FOLDER
from serving.state import ShopperState, StateError

TARGET = "land_target"


@dataclass(frozen=True)
class LandResult:
    """What was landed.

    Attributes:
        status: ``landed``, ``already_accepted`` (a no-op) or ``nothing_new``.
        batch_ids: What waits to be validated, in order.
        message: The same in a sentence.
    """

    status: str
    batch_ids: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class LandRequest:
    """What to land; by default what is new: the history when nothing has landed yet, and posted events.

    Attributes:
        weeks: How many more weeks of the source.
        until_week: Instead of ``weeks``: land up to this week; repeating it lands nothing more.
        file: Instead of the source: a Parquet or CSV file in a contract's columns.
        data_set: Which contract ``file`` is in.
        week: The shop week that ``file`` completes; without it the file completes none.
        backfill: Instead of new weeks: accepted weeks, first and last, to be read from the source again.
    """

    weeks: int = 0
    until_week: int | None = None
    file: Path | None = None
    data_set: str = "events"
    week: int | None = None
    backfill: tuple[int, int] | None = None


def land_batch(
    settings: Settings,
    request: LandRequest | None = None,
    workspace: Path | None = None,
    say: Say = lambda _: None,
) -> LandResult:
    """Land what is new; with a workspace the result is also in its ``run/land_batch.json``.

    Args:
        settings: This installation's.
        request: What to land.
        workspace: The run's own folder.
        say: Is told how far a long reading has come.

    Raises:
        LandingError, ContractError, StorageError: What is at fault and the remedy; nothing was landed.
    """
    asked = request or LandRequest()
    shop = open_shop(settings, workspace)
    with shop.landing.lock():
        repair_clock(shop)
        if asked.file:
            result = _land_file(shop, asked.file, asked)
        elif asked.backfill:
            result = _land_again(shop, *asked.backfill, say)
        else:
            source = shop.source()
            _require_same_source(shop, source)
            source.pull(say)
            result = _land_new(shop, source, asked, _target_week(shop, source, asked, workspace))
    if workspace is not None:
        write_result(workspace, "land_batch", asdict(result))
    return result


def repair_clock(shop: OpenShop) -> None:
    """Move the clock to the last accepted week, where an interruption kept it behind."""
    last = shop.landing.last_week()
    if last:
        shop.clock.advance(last, shop.calendar.end(last))


def _require_same_source(shop: OpenShop, source: ShopSource) -> None:
    """Weeks of two shops must not become one history."""
    others = {
        record.batch.source
        for record in shop.landing.accepted()
        if record.batch.kind == "weeks" and record.batch.source != source.name
    }
    if others:
        raise LandingError(
            f"{shop.landing.root}: holds weeks of {', '.join(sorted(others))}, and params.yaml names the source "
            f"{source.name}: one history cannot be of two shops. Give the new one a home of its own: "
            "SHOPLOOP_HOME=/path/to/home, then repeat the command"
        )


def _target_week(shop: OpenShop, source: ShopSource, asked: LandRequest, workspace: Path | None) -> int:
    """The week to land up to; a workspace keeps it, so that the task tried again lands no further week."""
    kept = workspace / RUN_FOLDER / f"{TARGET}.json" if workspace else None
    if kept and kept.is_file():
        return int(read_json(kept)["until_week"])
    landed, history, ends = shop.landing.last_week(), shop.params.shop.history_until_week, source.last_week
    # Without a replay there is nothing to wait for: whatever week is over lands.
    so_far = ends if history is None else landed or min(history, ends)
    target = asked.until_week if asked.until_week is not None else so_far + asked.weeks
    if target > ends:
        raise LandingError(
            f"{source.name} ends with week {ends}: expected a week up to that, found {target}; "
            "land fewer weeks, or a file of your own with `shoploop land --file`"
        )
    if not target and not landed:
        raise LandingError(
            f"{source.name} has no complete week yet: expected an event after the first week of the shop "
            f"(params.yaml: shop.first_week {shop.calendar.first_week}); `shoploop source check` shows what it has"
        )
    if workspace:
        write_result(workspace, TARGET, {"until_week": target})
    return target


def _land_new(shop: OpenShop, source: ShopSource, asked: LandRequest, target: int) -> LandResult:
    """Posted and late events first, in the present in which they came: an accepted week may move the clock on."""
    last = shop.landing.last_week()
    intake = Intake(source, shop.landing, shop.calendar, shop.clock.now())
    batch_ids = [*_land_posted(shop), *_land_all(shop, intake.late())]
    came_late = any(batch_id.startswith("late-") for batch_id in batch_ids)
    history = min(shop.params.shop.history_until_week or target, target)
    for first, through in [(1, history), (history + 1, target)] if last == 0 else [(last + 1, target)]:
        batch_ids += _land_all(shop, intake.weeks(first, through, came_late)) if first <= through else []
    if not batch_ids and asked.until_week is not None:
        said = (
            f"week {asked.until_week} is already accepted (the last accepted week is {last}): nothing to land"
        )
        return LandResult("already_accepted", (), said)
    if not batch_ids:
        return LandResult(
            "nothing_new", (), f"nothing new: the last accepted week is {last} and no event was posted"
        )
    return LandResult("landed", tuple(batch_ids), f"landed {', '.join(batch_ids)}")


def _land_all(shop: OpenShop, batches: Iterator[tuple[Batch, Tables]]) -> list[str]:
    landed = []
    for batch, tables in batches:
        shop.landing.land(batch, tables)
        landed.append(batch.batch_id)
    return landed


def _land_again(shop: OpenShop, first: int, last: int, say: Say) -> LandResult:
    """Read accepted weeks again; what they say now is known from now on."""
    accepted = shop.landing.last_week()
    if not 1 <= first <= last <= accepted:
        raise LandingError(
            f"backfill: expected accepted weeks, 1 to {accepted}, found {first} to {last}; weeks after "
            f"{accepted} land with `shoploop land --weeks`"
        )
    source = shop.source()
    _require_same_source(shop, source)
    intake = Intake(source, shop.landing, shop.calendar, shop.clock.now())
    batch_ids = _land_all(shop, intake.again(first, last, say))
    if not batch_ids:
        return LandResult("nothing_new", (), f"{source.name} has no row of the weeks {first} to {last}")
    return LandResult("landed", tuple(batch_ids), f"landed {', '.join(batch_ids)}")


def _land_posted(shop: OpenShop) -> list[str]:
    now, after = shop.clock.now(), shop.landing.posted_through()
    with closing(shop.state()) as state:
        posted = read_posted(state, after, now)
        if not posted.last:
            _require_own_log(state, after)
            return []
        batch_id = f"posted-{posted.first}-{posted.last}"
        batch = Batch(batch_id, "posted", now.isoformat(), state.name, posted_through=posted.last)
    shop.landing.land(batch, {"events": posted.events})
    return [batch_id]


def _require_own_log(state: ShopperState, after: int) -> None:
    """Numbers count in one log: in a new or an older one those of new events are small again, and never land."""
    try:
        newest = state.posted_through()
    except StateError as error:
        raise StorageError(f"{error}; restart the endpoint and repeat") from error
    if 0 < newest < after:
        raise LandingError(
            f"{state.name}: expected the log whose event {after} has landed, found one that ends with event "
            f"{newest}: its events would never land. Put the lost log back, or let this one go on where that ended: "
            f"{state.how_to_go_on(after)}"
        )


def _land_file(shop: OpenShop, file: Path, asked: LandRequest) -> LandResult:
    data_set, week = asked.data_set, asked.week
    if not file.is_file():
        raise LandingError(f"{file}: expected a Parquet or CSV file, found none; check the path")
    if data_set not in CONTRACTS:
        raise LandingError(f"expected one of the data sets {', '.join(CONTRACTS)}, found {data_set!r}")
    batch_id = f"file-{sha256(file)[:12]}"
    if shop.landing.find_accepted(batch_id):
        return LandResult(
            "already_accepted", (), f"{file} is already accepted as {batch_id}: nothing to land"
        )
    as_of = _present(shop, file, week)
    table = read_file(file, CONTRACTS[data_set], as_of)
    first = None if week is None else shop.landing.last_week() + 1
    shop.landing.land(
        Batch(batch_id, "file", as_of.isoformat(), str(file), week=week, first_week=first), {data_set: table}
    )
    return LandResult(
        "landed", (batch_id,), f"landed {file} as {batch_id}: {table.num_rows:,} rows of {data_set}"
    )


def _present(shop: OpenShop, file: Path, week: int | None) -> datetime:
    if week is None:
        return shop.clock.now()
    last = shop.landing.last_week()
    if week <= last:
        raise LandingError(
            f"{file}: expected a week after {last}, the last accepted one, found week {week}; an accepted "
            "week is never rewritten: land late rows without --week, and they are known from now on"
        )
    return shop.calendar.end(week)
