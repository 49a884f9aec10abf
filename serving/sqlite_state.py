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

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pipelines.domain import History
from serving.group_commit import BUSY_SECONDS, GroupCommit, OverloadError, connect
from serving.put_items import SCHEMA as PUT_ITEMS
from serving.put_items import PutItems, put_item
from serving.said import NOTHING_SAID, Said
from serving.schemas import PutItem
from serving.showings import SCHEMA as SHOWINGS
from serving.showings import Shown, Wish, show
from serving.state import (
    OPEN_ORDER,
    PURCHASE,
    Known,
    LoggedEvent,
    PostedRow,
    Progress,
    Redemption,
    Refresh,
    StateError,
    pack,
    put_together,
)

Result = TypeVar("Result")

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


def append_events(connection: sqlite3.Connection, events: list[LoggedEvent]) -> int:
    """Append events inside the open transaction; returns how many were new."""
    received_at = datetime.now(UTC).isoformat()
    return sum(_append(connection, event, received_at) for event in events)


def _append(connection: sqlite3.Connection, event: LoggedEvent, received_at: str) -> bool:
    cursor = connection.execute(
        "INSERT OR IGNORE INTO posted_events (event_id, body, received_at) VALUES (?, ?, ?)",
        (event.event_id, event.text, received_at),
    )
    if cursor.rowcount == 0:
        return False
    if event.is_purchase:
        connection.execute(
            "INSERT OR IGNORE INTO fresh_purchases VALUES (?, ?, ?, ?, ?)",
            (event.event_id, *(event.body[name] for name in PURCHASE), event.occurred_at),
        )
    if event.is_redemption:
        connection.execute(
            "INSERT OR IGNORE INTO redemptions VALUES (?, ?, ?, 0)",
            (event.event_id, event.body["user_id"], event.body["campaign_id"]),
        )
    return True


class SqliteState:
    """The store of one machine: all processes of a home share the file.

    Args:
        path: The SQLite file; made when it is not there and something is to be written or a history read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return connect(self._path, SCHEMA)

    @cached_property
    def _log(self) -> GroupCommit[list[LoggedEvent], int]:
        return GroupCommit(connect(self._path, SCHEMA), append_events)

    @cached_property
    def _items(self) -> PutItems:
        return PutItems(self._path)

    @cached_property
    def _put(self) -> GroupCommit[tuple[str, PutItem], None]:
        return GroupCommit(connect(self._path, PUT_ITEMS), put_item)

    @cached_property
    def _showings(self) -> GroupCommit[Wish, Shown]:
        return GroupCommit(connect(self._path, SCHEMA + SHOWINGS), show)

    @property
    def name(self) -> str:
        """Path of the file."""
        return str(self._path)

    def open(self) -> None:
        """Make file and tables, and start the writers."""
        with self._telling("cannot be opened"):
            _ = self._connection, self._log, self._items, self._put, self._showings

    def history(self, user_id: str) -> History:
        """All that is known of a shopper."""
        with self._snapshot():  # a refresh between two reads would show a purchase twice or never
            return self._read(user_id)

    def known(self, user_id: str) -> Known:
        """The history, and from which state it is."""
        with self._snapshot() as execute:
            history = self._read(user_id)
            refresh = execute("SELECT max(seq) FROM refreshes").fetchone()[0]
            posted = execute("SELECT max(seq) FROM posted_events").fetchone()[0]
        return Known(history, refresh or 0, posted or 0)

    def _read(self, user_id: str) -> History:
        execute = self._connection.execute
        landed = execute(
            "SELECT items, times, baskets FROM histories WHERE user_id = ?", (user_id,)
        ).fetchone()
        fresh = execute(
            "SELECT item_id, occurred_at, basket_id FROM fresh_purchases WHERE user_id = ?", (user_id,)
        ).fetchall()
        if not fresh:
            return put_together(user_id, landed, [], [])
        begun = execute(
            "SELECT item_id, occurred_at, basket_id FROM landed_lines WHERE user_id = ? AND basket_id IN"
            " (SELECT basket_id FROM fresh_purchases WHERE user_id = ?)",
            (user_id, user_id),
        ).fetchall()
        return put_together(user_id, landed, fresh, begun)

    def replace_histories(
        self,
        histories: Iterable[History],
        landed_event_ids: Iterable[str] = (),
        judged_through: int = 0,
        made_of: Refresh | None = None,
        redemptions: Iterable[Redemption] = (),
    ) -> int:
        """Replace all landed histories in one transaction."""
        with self._telling("the histories cannot be replaced, and stay as they were"):
            return self._replace(histories, landed_event_ids, judged_through, made_of, redemptions)

    def _replace(
        self,
        histories: Iterable[History],
        landed_event_ids: Iterable[str],
        judged_through: int,
        made_of: Refresh | None,
        redemptions: Iterable[Redemption],
    ) -> int:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM histories")
            rows = (pack(history) for history in histories)
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

    def redeemed(self, user_id: str) -> frozenset[str]:
        """Campaigns of which a shopper redeemed a coupon."""
        query = "SELECT DISTINCT campaign_id FROM redemptions WHERE user_id = ?"
        with self._telling("cannot be read"):
            return frozenset(row[0] for row in self._connection.execute(query, (user_id,)))

    async def show(self, wish: Wish) -> Shown:
        """Choose campaigns within their limits and count what is chosen, in one transaction."""
        return await self._written(lambda: self._showings.submit(wish))

    def user_ids(self) -> list[str]:
        """Everybody of whom a purchase is known."""
        query = "SELECT user_id FROM histories UNION SELECT user_id FROM fresh_purchases ORDER BY 1"
        with self._telling("cannot be read"):
            return [row[0] for row in self._connection.execute(query)]

    def fresh_event_ids(self) -> list[str]:
        """Ids of posted purchases that have not landed."""
        query = "SELECT event_id FROM fresh_purchases ORDER BY event_id"
        with self._telling("cannot be read"):
            return [row[0] for row in self._connection.execute(query)]

    def refreshes(self) -> dict[int, Refresh]:
        """Every refresh that is recorded; none without the file."""
        with self._reading("refreshes", "cannot be read") as connection:
            return _refreshes(connection) if connection else {}

    async def append(self, events: list[LoggedEvent]) -> int:
        """Log events; what waits together is committed together."""
        return await self._written(lambda: self._log.submit(events))

    def posted(self, after: int, limit: int) -> list[PostedRow]:
        """Lines of the log; a connection of its own, so that it may run beside the event loop."""
        query = (
            "SELECT seq, event_id, body, received_at FROM posted_events WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        with self._reading("posted_events", "the event log cannot be read") as connection:
            rows = connection.execute(query, (after, limit)).fetchall() if connection else []
        return [PostedRow(*row) for row in rows]

    def posted_through(self) -> int:
        """Last sequence number of the log."""
        with self._reading("posted_events", "the event log cannot be read") as connection:
            found = (
                connection.execute("SELECT max(seq) FROM posted_events").fetchone()[0] if connection else 0
            )
        return found or 0

    def progress(self) -> Progress:
        """How far landing has come."""
        query = (
            "SELECT coalesce(max(at_us), 0), coalesce(max(judged_through), 0) FROM refreshes"
            " WHERE seq = (SELECT max(seq) FROM refreshes)"
        )
        with self._reading("refreshes", "cannot be read") as connection:
            landed_at, judged = connection.execute(query).fetchone() if connection else (0, 0)
        return Progress(landed_at, max(self.posted_through() - judged, 0))

    @property
    def waiting(self) -> int:
        """Posted batches that are not on disk yet."""
        return self._log.waiting

    async def put(self, item_id: str, item: PutItem) -> None:
        """Replace what was said of an item."""
        await self._written(lambda: self._put.submit((item_id, item)))

    def said(self) -> Said:
        """What was put of all items."""
        with self._telling("what was put of items cannot be read"):
            return self._items.said()

    def said_before(self) -> Said:
        """What was known of it when it was last read."""
        return self._items.said_before() if "_items" in self.__dict__ else NOTHING_SAID

    def how_to_go_on(self, after: int) -> str:
        """A command that renumbers the log."""
        return f"sqlite3 {self._path} 'UPDATE posted_events SET seq = seq + {after}'"

    def close(self) -> None:
        """Write what waits and let go of the file."""
        for name in ("_log", "_put", "_showings", "_items", "_connection"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    async def _written(self, submit: Callable[[], Future[Result]]) -> Result:
        with self._telling("cannot be written"):
            return await asyncio.wrap_future(submit())

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverloadError) as error:
            raise StateError(f"{self._path}: {what} ({error})") from error

    @contextmanager
    def _snapshot(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._telling("cannot be read"):
            execute = self._connection.execute
            execute("BEGIN")
            try:
                yield execute
            finally:
                execute("COMMIT")

    @contextmanager
    def _reading(self, table: str, what: str) -> Iterator[sqlite3.Connection | None]:
        """A connection that only reads, None where there is no such table yet."""
        with self._telling(what):
            if not self._path.exists():
                yield None
                return
            uri = f"{self._path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
                known = "SELECT 1 FROM sqlite_master WHERE name = ?"
                yield connection if connection.execute(known, (table,)).fetchone() else None


def _refreshes(connection: sqlite3.Connection) -> dict[int, Refresh]:
    batches = connection.execute("SELECT batch_id, refresh FROM landed_batches ORDER BY 2, 1").fetchall()
    query = "SELECT seq, at_us, week, view_sha256, items_sha256, judged_through FROM refreshes"
    return {
        row[0]: Refresh(row[1], row[2], tuple(name for name, first in batches if first <= row[0]), *row[3:])
        for row in connection.execute(query)
    }


def _record(connection: sqlite3.Connection, made_of: Refresh) -> None:
    connection.execute("DELETE FROM landed_lines WHERE occurred_at < ?", (made_of.at_us - OPEN_ORDER,))
    number = connection.execute(
        "INSERT INTO refreshes (at_us, week, judged_through, view_sha256, items_sha256) VALUES (?, ?, ?, ?, ?)",
        (made_of.at_us, made_of.week, made_of.judged_through, made_of.view_sha256, made_of.items_sha256),
    ).lastrowid
    # Accepted batches stay: each is kept once, with the first refresh that held it.
    batches = ((batch_id, number) for batch_id in made_of.batch_ids)
    connection.executemany("INSERT OR IGNORE INTO landed_batches VALUES (?, ?)", batches)
