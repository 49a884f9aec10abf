"""Splitting by time: what was known at the start of a week, and what was bought in it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.corrections import without_corrected
from pipelines.volumes import week_column
from pipelines.weeks import ShopCalendar, to_micros


@dataclass(frozen=True)
class Fold:
    """One week to be predicted.

    Attributes:
        week: Its number.
        starts_at: The moment of prediction.
        ends_at: The moment at which its purchases are known.
        history_from: First week that is learned from.
    """

    week: int
    starts_at: datetime
    ends_at: datetime
    history_from: int

    @property
    def at_us(self) -> int:
        """The moment of prediction, microseconds since the epoch (UTC)."""
        return to_micros(self.starts_at)


def folds(decision_week: int, history_weeks: int, calendar: ShopCalendar) -> dict[str, Fold]:
    """The holdout (the decision week T) and the validation fold (T - 1).

    Each looks back the same number of weeks, so that what is tuned on one holds for the other.
    """
    weeks = {"validation": decision_week - 1, "holdout": decision_week}
    return {
        name: Fold(week, calendar.start(week), calendar.end(week), max(week - history_weeks, 1))
        for name, week in weeks.items()
    }


def with_weeks(events: pa.Table, calendar: ShopCalendar) -> pa.Table:
    """Events with their shop week as the last column, int32."""
    return events.append_column("week", week_column(events, calendar))


def known_events(events: pa.Table, fold: Fold) -> pa.Table:
    """Events known at the start of the fold's week, however old: shoppers are asked with all of their history."""
    known = without_corrected(events.filter(_until(events, "ingested_at", fold.starts_at)))
    return known.filter(_before(known, "occurred_at", fold.starts_at))


def targets(events: pa.Table, items: pa.Table, fold: Fold) -> pa.Table:
    """What each shopper bought in the fold's week, of what may be recommended.

    Args:
        events: Events with their week.
        items: The catalog.
        fold: The week; purchases that became known only after it are left out, so that it stays frozen.

    Returns:
        Distinct pairs ``user_id``, ``item_id``, sorted.
    """
    return _distinct(_bought(events, items, fold), ["user_id", "item_id"])


def baskets(events: pa.Table, items: pa.Table, fold: Fold) -> pa.Table:
    """The same purchases by basket; those that belong to none are left out.

    Returns:
        Distinct rows of ``user_id``, ``basket_id``, ``item_id``, sorted.
    """
    bought = _bought(events, items, fold)
    return _distinct(bought.filter(bought["basket_id"].is_valid()), ["user_id", "basket_id", "item_id"])


def _bought(events: pa.Table, items: pa.Table, fold: Fold) -> pa.Table:
    events = without_corrected(events.filter(_until(events, "ingested_at", fold.ends_at)))
    recommendable = items.filter(items["recommendable"])["item_id"]
    wanted = pc.and_(pc.equal(events["week"], fold.week), pc.equal(events["event_type"], "purchase"))
    wanted = pc.and_(
        wanted, pc.and_(pc.greater(events["quantity"], 0), pc.is_in(events["item_id"], recommendable))
    )
    return events.filter(wanted)


def _distinct(rows: pa.Table, columns: list[str]) -> pa.Table:
    distinct = rows.select(columns).group_by(columns).aggregate([])
    return distinct.sort_by([(name, "ascending") for name in columns])


def targets_sha256(pairs: pa.Table) -> str:
    """Hash of the content of ``targets``, whatever file format holds it."""
    lines = zip(pairs["user_id"].to_pylist(), pairs["item_id"].to_pylist(), strict=True)
    return hashlib.sha256("".join(f"{user}\t{item}\n" for user, item in lines).encode()).hexdigest()


def _before(events: pa.Table, column: str, moment: datetime) -> pa.ChunkedArray:
    return pc.less(events[column], pa.scalar(moment, events[column].type))


def _until(events: pa.Table, column: str, moment: datetime) -> pa.ChunkedArray:
    return pc.less_equal(events[column], pa.scalar(moment, events[column].type))
