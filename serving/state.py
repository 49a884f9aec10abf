"""Shopper state and event log in one SQLite file (WAL): an event posted is in the very next answer.

Tables:
    histories: What each shopper bought according to landed data, one row a shopper, replaced as a whole.
    posted_events: The event log, in order of arrival; ingestion reads it by ``seq``.
    fresh_purchases: Posted purchases that have not landed yet; they are added to ``histories`` when read.
"""

import json
import sqlite3
from collections.abc import Iterable
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
SCHEMA = """
CREATE TABLE IF NOT EXISTS histories (
  user_id TEXT PRIMARY KEY, items BLOB NOT NULL, times BLOB NOT NULL, baskets BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS posted_events (
  seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, received_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fresh_purchases (
  event_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, item_id TEXT NOT NULL, basket_id TEXT NOT NULL,
  occurred_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS fresh_purchases_by_user ON fresh_purchases (user_id, occurred_at);
"""


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
            landed = execute(
                "SELECT items, times, baskets FROM histories WHERE user_id = ?", (user_id,)
            ).fetchone()
            fresh = execute(
                "SELECT item_id, occurred_at, basket_id FROM fresh_purchases WHERE user_id = ?", (user_id,)
            ).fetchall()
        finally:
            execute("COMMIT")
        known = _unpack(user_id, landed) if landed else History.empty(user_id)
        return _merge(known, fresh) if fresh else known

    def replace_histories(
        self, histories: Iterable[History], landed_event_ids: Iterable[str] = (), judged_through: int = 0
    ) -> int:
        """Replace all landed histories in one transaction; readers see the old state, then the new one.

        Args:
            histories: One for each known shopper.
            landed_event_ids: Fresh purchases to forget, since ``histories`` holds them.
            judged_through: Posted events up to this ``seq`` were accepted or quarantined: forget them too.

        Returns:
            How many shoppers are known now.
        """
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM histories")
            rows = (_pack(history) for history in histories)
            count = connection.executemany("INSERT INTO histories VALUES (?, ?, ?, ?)", rows).rowcount
            ids = ((event_id,) for event_id in landed_event_ids)
            connection.executemany("DELETE FROM fresh_purchases WHERE event_id = ?", ids)
            connection.execute(
                "DELETE FROM fresh_purchases WHERE event_id IN"
                " (SELECT event_id FROM posted_events WHERE seq <= ?)",
                (judged_through,),
            )
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return max(count, 0)

    def fresh_event_ids(self) -> list[str]:
        """Ids of posted purchases that have not landed as far as this state knows."""
        return [
            row[0]
            for row in self._connection.execute("SELECT event_id FROM fresh_purchases ORDER BY event_id")
        ]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


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


def _merge(known: History, posted: list[tuple[str, int, str]]) -> History:
    """Add posted purchases, their baskets made by the rule of the view ``basket_lines``.

    Of one moment, a landed basket comes first. Histories keep no basket ids: a basket of which a part has landed
    is two until the rest has landed too.
    """
    fresh = _baskets(posted)
    items = np.concatenate([known.items, np.array([row[2] for row in fresh], dtype=np.str_)])
    times = np.concatenate([known.times, np.array([row[0] for row in fresh], np.int64)])
    new_basket = [a[:2] != b[:2] for a, b in zip(fresh, fresh[:1] + fresh, strict=False)]
    first = known.baskets[-1] + 1 if len(known.baskets) else 0
    keys = np.concatenate([known.baskets, first + np.cumsum(new_basket, dtype=np.int32)])
    order = np.argsort(times, kind="stable")
    return History(known.user_id, items[order], times[order], _ordinals(keys[order]))


def _baskets(posted: list[tuple[str, int, str]]) -> list[tuple[int, str, str]]:
    """Moment, basket id and item: all lines of one basket id are one set, at the moment of the earliest."""
    moments: dict[str, int] = {}
    for _, occurred_at, basket_id in posted:
        moments[basket_id] = min(occurred_at, moments.get(basket_id, occurred_at))
    return sorted({(moments[basket_id], basket_id, item_id) for item_id, _, basket_id in posted})


def _ordinals(keys: NDArray[np.int32]) -> NDArray[np.int32]:
    changes = np.concatenate([[False], keys[1:] != keys[:-1]])
    return np.cumsum(changes, dtype=np.int32)
