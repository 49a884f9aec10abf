"""One writer thread on one store: what waits together is written together."""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_GROUP = 500
MAX_WAITING = 20_000
BUSY_SECONDS = 10

logger = logging.getLogger("serving")


class OverloadError(Exception):
    """More waits to be written than may wait."""


def connect(path: Path, schema: str, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open a WAL database, creating folder and tables when they are not there; commits are explicit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    _use_wal(connection)
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.executescript(schema)
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait where two processes make a new file at once, whatever timeout it was given."""
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)


class GroupWriter(Generic[Item, Result]):
    """Writes items in the order they came; a result is given only after its group is on disk.

    Args:
        write: Writes a group in the writer thread and gives a result for each of it, or raises: then all fail.
        linger: Seconds to wait for company before a group is written; 0 for the lowest latency.
        max_waiting: How many items may wait.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], list[Result]],
        linger: float = 0,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._write, self._linger, self._max_waiting = write, linger, max_waiting
        self._under_way = 0
        self._queue: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> Future[Result]:
        """Queue an item; the future fails with what `write` raised.

        Raises:
            OverloadError: Too much waits already.
        """
        if self._queue.qsize() >= self._max_waiting:
            raise OverloadError(f"{self._max_waiting} writes are waiting already")
        future: Future[Result] = Future()
        self._queue.put((item, future))
        return future

    @property
    def waiting(self) -> int:
        """Items that are not on disk yet, those being written counted in."""
        return self._queue.qsize() + self._under_way

    def close(self) -> None:
        """Write what waits, then stop."""
        self._queue.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            self._under_way = 1
            if self._linger:
                time.sleep(self._linger)
            group, closing = self._gather(first)
            self._under_way = len(group)
            self._write_group(group)
            self._under_way = 0
            if closing:
                return

    def _gather(self, first: tuple[Item, Future[Result]]) -> tuple[list[tuple[Item, Future[Result]]], bool]:
        group = [first]
        while len(group) < MAX_GROUP:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return group, True
            group.append(waiting)
        return group, False

    def _write_group(self, group: list[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._write([item for item, _ in group])
        except Exception as error:
            logger.error("writing failed: %s", error)
            for _, future in group:
                future.set_exception(error)
        else:
            for (_, future), result in zip(group, results, strict=True):
                future.set_result(result)


class GroupCommit(GroupWriter[Item, Result]):
    """A group is one transaction of an SQLite file.

    Args:
        connection: Used by the writer thread alone from here on.
        apply: Writes one item inside the open transaction.
        linger: As of `GroupWriter`.
        max_waiting: As of `GroupWriter`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        apply: Callable[[sqlite3.Connection, Item], Result],
        linger: float = 0,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._connection, self._apply = connection, apply
        super().__init__(self._commit, linger, max_waiting)

    def close(self) -> None:
        """Write what waits, then stop and let go of the file."""
        super().close()
        self._connection.close()

    def _commit(self, items: list[Item]) -> list[Result]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [self._apply(self._connection, item) for item in items]
            self._connection.execute("COMMIT")
        except Exception:
            self._roll_back()
            raise
        return results

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            logger.error("rolling back failed: %s", error)
