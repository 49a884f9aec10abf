"""What the shop says of single items at this moment: pieces left, price, hidden. In effect from the next answer on."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from serving.group_commit import connect
from serving.said import NOTHING_SAID, Said, read_item
from serving.schemas import PutItem

SCHEMA = """
CREATE TABLE IF NOT EXISTS put_items (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, put_at TEXT NOT NULL);
"""


def put_item(connection: sqlite3.Connection, put: tuple[str, PutItem]) -> None:
    """Replace what was said of an item, inside the open transaction; the row gets a new, larger ``seq``."""
    item_id, item = put
    body, put_at = msgspec.json.encode(item).decode(), datetime.now(UTC).isoformat()
    query = "INSERT OR REPLACE INTO put_items (item_id, body, put_at) VALUES (?, ?, ?)"
    connection.execute(query, (item_id, body, put_at))


class PutItems:
    """All that was put, whoever took it: processes of one home share the file, and each looks at it for every answer.

    Args:
        path: The SQLite file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, SCHEMA)
        self._seen = 0
        self._said = NOTHING_SAID

    def said(self) -> Said:
        """All of it. The same object as long as nothing changes.

        Raises:
            sqlite3.Error: The file cannot be read; :meth:`said_before` is what was known last.
        """
        query = "SELECT seq, item_id, body FROM put_items WHERE seq > ? ORDER BY seq"
        if rows := self._connection.execute(query, (self._seen,)).fetchall():
            self._said = self._said.after([(item_id, read_item(body)) for _, item_id, body in rows])
            self._seen = rows[-1][0]
        return self._said

    def said_before(self) -> Said:
        """What was known when the file was last read."""
        return self._said

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
