"""A shop small enough to work out by hand: its events and promotions, placed in weeks before the moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.features.build import build_views
from pipelines.features.views import FOLDER
from pipelines.params import load_params

WEEK_US = 604_800_000_000
VIEWS = load_params(Path(__file__).parents[2] / "params.yaml").build_features.views
AT = 40 * WEEK_US  # the moment: start of week 41 of a shop whose week n begins at (n - 1) weeks
WEEK = 41
MICROS = pa.timestamp("us", tz="UTC")
TEXT = pa.string()

EVENTS = pa.schema(
    [(name, TEXT) for name in ("event_id", "event_type", "user_id", "item_id", "basket_id", "corrects")]
    + [(name, TEXT) for name in ("campaign_id", "coupon_id")]
    + [(name, pa.float64()) for name in ("quantity", "value", "discount")]
    + [("week", pa.int32()), ("occurred_at", MICROS), ("ingested_at", MICROS)]
)
PROMOTIONS = pa.schema(
    [(name, TEXT) for name in ("promotion_id", "campaign_id", "campaign_type", "coupon_id", "item_id")]
    + [("starts_at", MICROS), ("ends_at", MICROS)]
)
ITEMS = (
    {"item_id": "milk", "category": "dairy", "brand": "National", "recommendable": True},
    {"item_id": "eggs", "category": "dairy", "brand": "Private", "recommendable": True},
    {"item_id": "bread", "category": "bakery", "brand": "National", "recommendable": True},
    {"item_id": "fuel", "category": "fuel", "brand": "National", "recommendable": False},
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """Where the files of a shop are."""

    events: Path
    items: Path
    users: Path
    promotions: Path


def ago(weeks: float) -> datetime:
    """The moment so many weeks before the moment of prediction; negative weeks are after it."""
    return datetime.fromtimestamp((AT - int(weeks * WEEK_US)) / 1e6, UTC)


def bought(
    user: str, basket: str | None, item: str, weeks: float, learned: float | None = None, **more: Any
) -> Row:
    """A purchase so many weeks before the moment, learned of at once or when it is said."""
    return {
        "event_type": "purchase",
        "user_id": user,
        "basket_id": basket,
        "item_id": item,
        "quantity": 1.0,
        "value": 2.0,
        "week": int(40 - weeks) + 1,
        "occurred_at": ago(weeks),
        "ingested_at": ago(weeks if learned is None else learned),
    } | more


def redeemed(
    user: str, campaign: str, coupon: str, weeks: float, learned: float | None = None, **more: Any
) -> Row:
    """A coupon that was redeemed so many weeks before the moment."""
    about = {"item_id": None, "quantity": None, "value": None, "campaign_id": campaign, "coupon_id": coupon}
    return bought(user, None, "", weeks, learned) | about | {"event_type": "redemption"} | more


def promoted(item: str, starts: float, ends: float, campaign: str = "c1", coupon: str = "k1") -> Row:
    """An item on promotion between two numbers of weeks before the moment."""
    name = f"{campaign}-{coupon}-{item}-{starts}"
    about = {"promotion_id": name, "campaign_id": campaign, "coupon_id": coupon, "item_id": item}
    return about | {"starts_at": ago(starts), "ends_at": ago(ends)}


def write_shop(
    folder: Path, events: Iterable[Row], promotions: Iterable[Row] = (), items: Iterable[Row] = ITEMS
) -> Shop:
    """Write the files of a shop; an event without an id is named by its number."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"event_id": f"{number}"} | row for number, row in enumerate(events)]
    pq.write_table(pa.Table.from_pylist(rows, EVENTS), folder / "events.parquet")
    pq.write_table(pa.Table.from_pylist(list(promotions), PROMOTIONS), folder / "promotions.parquet")
    pq.write_table(pa.Table.from_pylist(list(items)), folder / "items.parquet")
    users = pa.array(sorted({row["user_id"] for row in rows}), TEXT)
    pq.write_table(pa.table({"user_id": users}), folder / "users.parquet")
    return Shop(*(folder / f"{name}.parquet" for name in ("events", "items", "users", "promotions")))


def build_shop(
    folder: Path,
    events: Iterable[Row],
    promotions: Iterable[Row] = (),
    views: tuple[str, ...] = VIEWS,
    items: Iterable[Row] = ITEMS,
    sql: Path = FOLDER,
) -> dict[str, list[Row]]:
    """Rows of each view, in its file's order, as known at the moment."""
    shop = write_shop(folder, events, promotions, items)
    out, more = folder / "out", {"users": shop.users, "promotions": shop.promotions}
    build_views(views, shop.events, shop.items, AT, WEEK, out, folder=sql, **more)
    return {name: pq.read_table(out / f"{name}.parquet").to_pylist() for name in views}
