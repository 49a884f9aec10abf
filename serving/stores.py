"""Which store keeps the shoppers: the one place that knows there are two."""

from pathlib import Path

from serving.sqlite_state import SqliteState
from serving.state import ShopperState


def open_state(url: str, path: Path, may_lose: bool = False) -> ShopperState:
    """The store that a setting names.

    Args:
        url: ``redis://host:port/database``, ``rediss://`` over TLS, with name and password before the host where
            it asks for them; empty for SQLite.
        path: The SQLite file.
        may_lose: Redis may acknowledge events that it has not put on disk.

    Raises:
        ValueError: The URL names no store that is known.
    """
    if not url:
        return SqliteState(path)
    if not url.startswith(("redis://", "rediss://")):
        scheme = url.split(":", 1)[0]
        raise ValueError(
            f"SHOPLOOP_STATE_URL: expected redis://host:port/database or nothing for SQLite, found {scheme!r}"
        )
    from serving.redis_state import RedisState  # the client is read where it is used

    return RedisState(url, may_lose)
