"""The log of served features: of a share of the requests, the history that was used and what was computed from it.

A replay builds the same features offline and compares (`shoploop features replay`).

Tables:
    served_features: One row a request; the oldest leave when the log is as large as it may be.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipelines.domain import History
from pipelines.ranking.feature_values import FeatureValues
from serving.group_commit import GroupCommit, OverloadError, connect
from serving.state import Known

SCHEMA = """
CREATE TABLE IF NOT EXISTS served_features (
  seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, asked_at INTEGER NOT NULL, user_id TEXT NOT NULL,
  release TEXT NOT NULL, variant TEXT NOT NULL, bundle_sha256 TEXT NOT NULL, source TEXT NOT NULL,
  refresh INTEGER NOT NULL, posted_through INTEGER NOT NULL, state_read INTEGER NOT NULL,
  history BLOB NOT NULL, features BLOB NOT NULL);
"""
COLUMNS = "request_id, asked_at, user_id, release, variant, bundle_sha256, source, refresh, posted_through, state_read"
LINGER_SECONDS = 0.1
MAX_WAITING = 500  # each holds a whole history
PACE = 100  # of the rows, one in so many leaves at once

_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.decode


@dataclass(frozen=True)
class ServedFeatures:
    """What one request was answered from.

    Attributes:
        request_id: The request.
        asked_at: Its moment on the shop clock, microseconds since the epoch (UTC).
        release: The release that answered.
        variant: Its arm.
        bundle_sha256: Its bundle.
        source: The step of the fallback chain.
        known: The history that was used, and the state it was read from.
        features: What was computed from it.
    """

    request_id: str
    asked_at: int
    release: str
    variant: str
    bundle_sha256: str
    source: str
    known: Known
    features: FeatureValues


class ServedFeatureLog:
    """Writes behind the answers; a lost row is counted, never an error for a shopper.

    Args:
        path: The SQLite file; made when it is not there.
        share: Share of the requests that are logged, from 0 to 1; chosen by request id, so that every process
            chooses the same.
        mib: Size from which on the oldest rows leave.
    """

    def __init__(self, path: Path, share: float, mib: int) -> None:
        self._below = int(share * 2**64)
        self._bytes = mib << 20
        connection = connect(path, SCHEMA, synchronous="NORMAL")
        self._writer = GroupCommit(connection, self._insert, LINGER_SECONDS, MAX_WAITING)
        self.lost = 0

    def wants(self, request_id: str) -> bool:
        """Whether a request is in the share."""
        digest = hashlib.blake2b(request_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest) < self._below

    def add(self, served: ServedFeatures) -> None:
        """Queue a row."""
        try:
            self._writer.submit(served).add_done_callback(self._count)
        except OverloadError:
            self.lost += 1

    def _count(self, written: Future[None]) -> None:
        self.lost += written.exception() is not None

    @property
    def waiting(self) -> int:
        """How many are not on disk yet."""
        return self._writer.waiting

    def close(self) -> None:
        """Write what waits."""
        self._writer.close()

    def _insert(self, connection: sqlite3.Connection, served: ServedFeatures) -> None:
        self._make_room(connection)
        names = f"{COLUMNS}, history, features"
        values = _row(served)
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO served_features ({names}) VALUES ({marks})", values)

    def _make_room(self, connection: sqlite3.Connection) -> None:
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size >= self._bytes:
            first, last = connection.execute("SELECT min(seq), max(seq) FROM served_features").fetchone()
            if first is not None:
                leaving = first + (last - first) // PACE
                connection.execute("DELETE FROM served_features WHERE seq <= ?", (leaving,))


def _row(served: ServedFeatures) -> tuple[Any, ...]:
    known, history = served.known, served.known.history
    columns = [
        history.items.tolist(),
        history.times.astype("<i8").tobytes(),
        history.baskets.astype("<i4").tobytes(),
    ]
    features = served.features
    values = [
        features.item_ids, features.item_names, features.item_values.astype("<f8").tobytes(),
        features.shopper_names, features.shopper_values.astype("<f8").tobytes(),
    ]  # fmt: skip
    return (
        served.request_id, served.asked_at, history.user_id, served.release, served.variant, served.bundle_sha256,
        served.source, known.refresh, known.posted_through, known.was_read, _pack(columns), _pack(values),
    )  # fmt: skip


def read_served(path: Path) -> Iterator[ServedFeatures]:
    """Rows of the log, oldest first.

    Raises:
        sqlite3.Error: The file is missing or cannot be read.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        query = f"SELECT {COLUMNS}, history, features FROM served_features ORDER BY seq"
        for row in connection.execute(query):
            yield _served(row)


def _served(row: tuple[Any, ...]) -> ServedFeatures:
    request_id, asked_at, user_id, release, variant, sha256, source, refresh, posted_through, was_read = row[
        :10
    ]
    items, times, baskets = _unpack(row[10])
    history = History(
        user_id, np.array(items, np.str_), np.frombuffer(times, "<i8"), np.frombuffer(baskets, "<i4")
    )
    known = Known(history, refresh, posted_through, bool(was_read))
    features = _features(*_unpack(row[11]))
    return ServedFeatures(request_id, asked_at, release, variant, sha256, source, known, features)


def _features(
    item_ids: list[str],
    item_names: list[str],
    item_values: bytes,
    shopper_names: list[str],
    shopper_values: bytes,
) -> FeatureValues:
    table = np.frombuffer(item_values, "<f8").reshape(len(item_ids), len(item_names))
    return FeatureValues(
        tuple(item_ids), tuple(item_names), table, tuple(shopper_names), np.frombuffer(shopper_values, "<f8")
    )


def _pack(value: Any) -> bytes:
    return zlib.compress(_encode(value), 1)


def _unpack(packed: bytes) -> Any:
    return _decode(zlib.decompress(packed))
