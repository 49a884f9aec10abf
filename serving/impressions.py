"""The impression log: what was shown to whom, at which position, with which propensity."""

import json
import sqlite3
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from serving.group_commit import BUSY_SECONDS, GroupCommit, OverloadError, connect

SCHEMA = """
CREATE TABLE IF NOT EXISTS impressions (
  seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, shown_at INTEGER NOT NULL, scenario TEXT NOT NULL,
  user_id TEXT, release TEXT NOT NULL, variant TEXT NOT NULL, source TEXT NOT NULL, items TEXT NOT NULL);
"""
LINGER_SECONDS = 0.1


@dataclass(frozen=True)
class Impression:
    """One answer as shown, at ``shown_at`` microseconds on the shop clock; items in the order of position."""

    request_id: str
    shown_at: int
    scenario: str
    user_id: str | None
    release: str
    variant: str
    source: str
    item_ids: tuple[str, ...]


class ImpressionLog:
    """Writes impressions behind the answers; a lost one is counted, never an error for a shopper.

    Args:
        path: The SQLite file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = GroupCommit(connect(path, SCHEMA, synchronous="NORMAL"), _insert, LINGER_SECONDS)
        self.lost = 0

    def add(self, impression: Impression) -> None:
        """Queue an impression."""
        try:
            self._writer.submit(impression).add_done_callback(self._count)
        except OverloadError:
            self.lost += 1

    def latest_shoppers(self, count: int) -> list[str]:
        """Who was shown something last, newest first: of the last ``count`` answers, each shopper once."""
        query = "SELECT user_id FROM impressions ORDER BY seq DESC LIMIT ?"
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as connection:
            found = connection.execute(query, (count,)).fetchall()
        return list(dict.fromkeys(user_id for (user_id,) in found if user_id is not None))

    def _count(self, written: Future[None]) -> None:
        self.lost += written.exception() is not None

    @property
    def waiting(self) -> int:
        """How many are not on disk yet."""
        return self._writer.waiting

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()


def _insert(connection: sqlite3.Connection, shown: Impression) -> None:
    # The lists are deterministic, hence propensity 1; a policy that explores writes its own.
    items = [
        {"item_id": item_id, "position": position, "propensity": 1.0}
        for position, item_id in enumerate(shown.item_ids, start=1)
    ]
    connection.execute(
        "INSERT INTO impressions (request_id, shown_at, scenario, user_id, release, variant, source, items)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            shown.request_id, shown.shown_at, shown.scenario, shown.user_id,
            shown.release, shown.variant, shown.source, json.dumps(items),
        ),
    )  # fmt: skip
