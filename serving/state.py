"""Shopper state and event log in one SQLite file (WAL): an event posted is in the very next answer.

Tables:
    histories: What each shopper bought according to landed data, one row a shopper, replaced as a whole.
    posted_events: The event log, in order of arrival; ingestion reads it by ``seq``.
    fresh_purchases: Posted purchases that have not landed yet; they are added to ``histories`` when read.
    landed_lines: Posted purchases that landed lately: the rest of their order may still be posted.
    redemptions: Of which campaign a shopper redeemed a coupon, landed or posted.
    refreshes: When ``histories`` were replaced and from what, one row each time.
    landed_batches: Which batches the histories hold, each with the first refresh that held it.
"""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.domain import History
from serving.group_commit import connect

PURCHASE = ("user_id", "item_id", "basket_id")
Redemption = tuple[str, str, str]  # event, shopper, campaign
Line = tuple[str, int, str]  # item, moment, basket
OPEN_ORDER = 30 * 86_400_000_000  # microseconds after which nothing more is expected of an order
SCHEMA = """
CREATE TABLE IF NOT EXISTS histories (
  user_id TEXT PRIMARY KEY, items BLOB NOT NULL, times BLOB NOT NULL, baskets BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS posted_events (
  seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, received_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fresh_purchases (
  event_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, item_id TEXT NOT NULL, basket_id TEXT NOT NULL,
  occurred_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS fresh_purchases_by_user ON fresh_purchases (user_id, occurred_at);
CREATE TABLE IF NOT EXISTS landed_lines (
  event_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, item_id TEXT NOT NULL, basket_id TEXT NOT NULL,
  occurred_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS landed_lines_by_basket ON landed_lines (user_id, basket_id);
CREATE TABLE IF NOT EXISTS redemptions (
  event_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, campaign_id TEXT NOT NULL, landed INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS redemptions_by_user ON redemptions (user_id, campaign_id);
CREATE INDEX IF NOT EXISTS redemptions_by_campaign ON redemptions (campaign_id);
CREATE TABLE IF NOT EXISTS refreshes (
  seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, week INTEGER NOT NULL, judged_through INTEGER NOT NULL,
  view_sha256 TEXT NOT NULL, items_sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS landed_batches (batch_id TEXT PRIMARY KEY, refresh INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Refresh:
    """What landed histories were made of.

    Attributes:
        at_us: The moment as known at which they were made, microseconds since the epoch (UTC).
        week: The shop week in which it lies.
        batch_ids: The accepted batches whose events they hold.
        view_sha256: Of the view that made them.
        items_sha256: Of the catalog that the view read.
        judged_through: Posted events up to this ``seq`` had been accepted or quarantined.
    """

    at_us: int
    week: int
    batch_ids: tuple[str, ...]
    view_sha256: str
    items_sha256: str
    judged_through: int


@dataclass(frozen=True)
class Known:
    """A history, and which state it was read from: the same can be built again from what landed and was posted.

    Attributes:
        history: The shopper.
        refresh: Number of the :class:`Refresh`, 0 when none was recorded.
        posted_through: Last ``seq`` of the event log.
        was_read: False when the state could not be read, and the history is empty for that reason.
    """

    history: History
    refresh: int
    posted_through: int
    was_read: bool = True

    @classmethod
    def unread(cls, user_id: str) -> "Known":
        """Of a state that cannot be read."""
        return cls(History.empty(user_id), 0, 0, was_read=False)


@dataclass(frozen=True)
class LoggedEvent:
    """A posted event as the log keeps it; ``occurred_at`` in microseconds since the epoch."""

    event_id: str
    event_type: str
    occurred_at: int
    body: dict[str, Any]


def append_events(connection: sqlite3.Connection, events: list[LoggedEvent]) -> int:
    """Append events inside the open transaction; returns how many were new."""
    received_at = datetime.now(UTC).isoformat()
    return sum(_append(connection, event, received_at) for event in events)


def _append(connection: sqlite3.Connection, event: LoggedEvent, received_at: str) -> bool:
    cursor = connection.execute(
        "INSERT OR IGNORE INTO posted_events (event_id, body, received_at) VALUES (?, ?, ?)",
        (event.event_id, json.dumps(event.body, sort_keys=True, ensure_ascii=False), received_at),
    )
    if cursor.rowcount == 0:
        return False
    if event.event_type == "purchase":
        connection.execute(
            "INSERT OR IGNORE INTO fresh_purchases VALUES (?, ?, ?, ?, ?)",
            (event.event_id, *(event.body[name] for name in PURCHASE), event.occurred_at),
        )
    if event.event_type == "redemption" and "campaign_id" in event.body:
        connection.execute(
            "INSERT OR IGNORE INTO redemptions VALUES (?, ?, ?, 0)",
            (event.event_id, event.body["user_id"], event.body["campaign_id"]),
        )
    return True


class ShopperState:
    """Reads histories, and replaces them when new data has landed.

    Args:
        path: The SQLite file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, SCHEMA)

    def history(self, user_id: str) -> History:
        """All that is known of a shopper, landed and posted; empty for an unknown one."""
        execute = self._connection.execute
        execute("BEGIN")  # one snapshot: a refresh between the two reads would show a purchase twice or never
        try:
            return self._read(user_id)
        finally:
            execute("COMMIT")

    def known(self, user_id: str) -> Known:
        """The history, and from which state it is, in one snapshot."""
        execute = self._connection.execute
        execute("BEGIN")
        try:
            history = self._read(user_id)
            refresh = execute("SELECT max(seq) FROM refreshes").fetchone()[0]
            posted = execute("SELECT max(seq) FROM posted_events").fetchone()[0]
        finally:
            execute("COMMIT")
        return Known(history, refresh or 0, posted or 0)

    def redeemed(self, user_id: str) -> frozenset[str]:
        """Campaigns of which a shopper redeemed a coupon."""
        query = "SELECT DISTINCT campaign_id FROM redemptions WHERE user_id = ?"
        return frozenset(row[0] for row in self._connection.execute(query, (user_id,)))

    def _read(self, user_id: str) -> History:
        execute = self._connection.execute
        landed = execute(
            "SELECT items, times, baskets FROM histories WHERE user_id = ?", (user_id,)
        ).fetchone()
        fresh = execute(
            "SELECT item_id, occurred_at, basket_id FROM fresh_purchases WHERE user_id = ?", (user_id,)
        ).fetchall()
        known = _unpack(user_id, landed) if landed else History.empty(user_id)
        if not fresh:
            return known
        begun = execute(
            "SELECT item_id, occurred_at, basket_id FROM landed_lines WHERE user_id = ? AND basket_id IN"
            " (SELECT basket_id FROM fresh_purchases WHERE user_id = ?)",
            (user_id, user_id),
        ).fetchall()
        known, landed_part = _take_out(known, begun) if begun else (known, [])
        return _merge(known, [*fresh, *landed_part])

    def replace_histories(
        self,
        histories: Iterable[History],
        landed_event_ids: Iterable[str] = (),
        judged_through: int = 0,
        made_of: Refresh | None = None,
        redemptions: Iterable[Redemption] = (),
    ) -> int:
        """Replace all landed histories in one transaction; readers see the old state, then the new one.

        Args:
            histories: One for each known shopper.
            landed_event_ids: Fresh purchases to forget, since ``histories`` holds them.
            judged_through: Posted events up to this ``seq`` were accepted or quarantined: forget them too.
            made_of: What the histories were made of, for a replay of what is served from them.
            redemptions: All that have landed; posted ones that were judged and are not among them are forgotten.

        Returns:
            How many shoppers are known now.
        """
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM histories")
            rows = (_pack(history) for history in histories)
            count = connection.executemany("INSERT INTO histories VALUES (?, ?, ?, ?)", rows).rowcount
            ids = [(event_id,) for event_id in landed_event_ids]
            kept = "INSERT OR IGNORE INTO landed_lines SELECT * FROM fresh_purchases WHERE event_id = ?"
            connection.executemany(kept, ids)
            connection.executemany("DELETE FROM fresh_purchases WHERE event_id = ?", ids)
            connection.execute(
                "DELETE FROM fresh_purchases WHERE event_id IN"
                " (SELECT event_id FROM posted_events WHERE seq <= ?)",
                (judged_through,),
            )
            connection.execute(
                "DELETE FROM redemptions WHERE landed OR event_id IN"
                " (SELECT event_id FROM posted_events WHERE seq <= ?)",
                (judged_through,),
            )
            connection.executemany("INSERT OR REPLACE INTO redemptions VALUES (?, ?, ?, 1)", redemptions)
            if made_of is not None:
                _record(connection, made_of)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return max(count, 0)

    def user_ids(self) -> list[str]:
        """Everybody of whom a purchase is known, landed or posted; sorted."""
        query = "SELECT user_id FROM histories UNION SELECT user_id FROM fresh_purchases ORDER BY 1"
        return [row[0] for row in self._connection.execute(query)]

    def fresh_event_ids(self) -> list[str]:
        """Ids of posted purchases that have not landed as far as this state knows."""
        return [
            row[0]
            for row in self._connection.execute("SELECT event_id FROM fresh_purchases ORDER BY event_id")
        ]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _record(connection: sqlite3.Connection, made_of: Refresh) -> None:
    connection.execute("DELETE FROM landed_lines WHERE occurred_at < ?", (made_of.at_us - OPEN_ORDER,))
    number = connection.execute(
        "INSERT INTO refreshes (at_us, week, judged_through, view_sha256, items_sha256) VALUES (?, ?, ?, ?, ?)",
        (made_of.at_us, made_of.week, made_of.judged_through, made_of.view_sha256, made_of.items_sha256),
    ).lastrowid
    # Accepted batches stay: each is kept once, with the first refresh that held it.
    batches = ((batch_id, number) for batch_id in made_of.batch_ids)
    connection.executemany("INSERT OR IGNORE INTO landed_batches VALUES (?, ?)", batches)


def read_refreshes(path: Path) -> dict[int, Refresh]:
    """Every refresh that is recorded in a state file, by number; empty without the file.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    if not path.exists():
        return {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'refreshes'").fetchone():
            return {}
        batches = connection.execute("SELECT batch_id, refresh FROM landed_batches ORDER BY 2, 1").fetchall()
        query = "SELECT seq, at_us, week, view_sha256, items_sha256, judged_through FROM refreshes"
        return {
            row[0]: Refresh(
                row[1], row[2], tuple(name for name, first in batches if first <= row[0]), *row[3:]
            )
            for row in connection.execute(query)
        }


def _pack(history: History) -> tuple[str, bytes, bytes, bytes]:
    return (
        history.user_id,
        msgspec.msgpack.encode(history.items.tolist()),
        history.times.astype("<i8").tobytes(),
        history.baskets.astype("<i4").tobytes(),
    )


def _unpack(user_id: str, row: tuple[bytes, bytes, bytes]) -> History:
    items = np.array(msgspec.msgpack.decode(row[0]), dtype=np.str_)
    return History(user_id, items, np.frombuffer(row[1], "<i8"), np.frombuffer(row[2], "<i4"))


def _take_out(known: History, begun: list[Line]) -> tuple[History, list[Line]]:
    """Take the landed part of orders out of a history, so that it is put together anew with the rest of them.

    Args:
        known: The landed history, which keeps no basket ids.
        begun: Posted lines that have landed, of orders of which more was posted.

    Returns:
        The rest of the history, and the lines of those orders that have landed.
    """
    lines, out = list(begun), np.zeros(len(known.items), bool)
    for basket_id in {basket_id for _, _, basket_id in begun}:
        moment = min(at for _, at, basket in begun if basket == basket_id)
        items = [item for item, _, basket in begun if basket == basket_id]
        place = np.flatnonzero((known.times == moment) & np.isin(known.items, items) & ~out)
        if len(place):
            mine = known.baskets == known.baskets[place[0]]
            lines += [(item, moment, basket_id) for item in known.items[mine].tolist()]
            out |= mine
    rest = History(known.user_id, known.items[~out], known.times[~out], known.baskets[~out])
    return rest, lines


def _merge(known: History, posted: list[Line]) -> History:
    """Add posted purchases, their baskets made by the rule of the view ``basket_lines``.

    Of one moment, a landed basket comes first.
    """
    fresh = _baskets(posted)
    items = np.concatenate([known.items, np.array([row[2] for row in fresh], dtype=np.str_)])
    times = np.concatenate([known.times, np.array([row[0] for row in fresh], np.int64)])
    new_basket = [a[:2] != b[:2] for a, b in zip(fresh, fresh[:1] + fresh, strict=False)]
    first = known.baskets[-1] + 1 if len(known.baskets) else 0
    keys = np.concatenate([known.baskets, first + np.cumsum(new_basket, dtype=np.int32)])
    order = np.argsort(times, kind="stable")
    return History(known.user_id, items[order], times[order], _ordinals(keys[order]))


def _baskets(posted: list[Line]) -> list[tuple[int, str, str]]:
    """Moment, basket id and item: all lines of one basket id are one set, at the moment of the earliest."""
    moments: dict[str, int] = {}
    for _, occurred_at, basket_id in posted:
        moments[basket_id] = min(occurred_at, moments.get(basket_id, occurred_at))
    return sorted({(moments[basket_id], basket_id, item_id) for item_id, _, basket_id in posted})


def _ordinals(keys: NDArray[np.int32]) -> NDArray[np.int32]:
    changes = np.concatenate([[False], keys[1:] != keys[:-1]])
    return np.cumsum(changes, dtype=np.int32)
