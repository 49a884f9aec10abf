"""Connections to a shop's database: read only, in UTC, with every cell as the server writes it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import sqlalchemy as sa
from pymysql.converters import conversions
from sqlalchemy.engine import URL, Connection, CursorResult, Engine, make_url
from sqlalchemy.pool import NullPool

from pipelines.sources.declaration import SourceDeclaration, SourceError

CONNECT_SECONDS = 10
SILENT_SECONDS = 300  # of a server that neither answers nor closes the connection
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "sqlite": "sqlite",
}
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def open_engine(source: SourceDeclaration, checkout: Path) -> tuple[Engine, URL]:
    """An engine for the location of a source, and its URL; nothing is connected yet.

    Raises:
        SourceError: The location is no URL of PostgreSQL, MySQL, MariaDB or SQLite.
    """
    try:
        url = make_url(source.opened_location())
    except sa.exc.ArgumentError:
        raise _no_database(source) from None
    driver = DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise _no_database(source)
    url = _beside(url.set(drivername=driver), checkout)
    # No pool: a reading has one connection, and none is left open after it.
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=_arguments(url))
    sa.event.listen(engine, "connect", _SETUP[engine.dialect.name])
    return engine, url


def _no_database(source: SourceDeclaration) -> SourceError:
    return SourceError(
        f"source {source.name}: location: expected a URL such as postgresql://user:${{PASSWORD}}@host/database, "
        f"mysql://… or sqlite:///file.db, found {source.shown_location!r}"
    )


def _beside(url: URL, checkout: Path) -> URL:
    """A file of SQLite is opened where it is, never made, and never written."""
    if url.get_backend_name() != "sqlite":
        return url
    file = (Path(checkout) / (url.database or "")).as_posix()
    return url.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})


def _arguments(url: URL) -> dict[str, Any]:
    match url.get_backend_name():
        case "postgresql":
            return {"connect_timeout": CONNECT_SECONDS, **KEEPALIVES}
        case "mysql":
            encoders = {kind: encode for kind, encode in conversions.items() if not isinstance(kind, int)}
            return {
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": SILENT_SECONDS,
                "conv": encoders,  # and no decoders
            }
        case _:
            return {"timeout": CONNECT_SECONDS}


def _set_up_postgresql(connection: psycopg.Connection[Any], _: Any) -> None:
    as_text = connection.adapters.get_loader(psycopg.adapters.types["text"].oid, psycopg.pq.Format.TEXT)
    assert as_text is not None
    for kind in psycopg.adapters.types:
        for oid in filter(None, (kind.oid, kind.array_oid)):
            connection.adapters.register_loader(oid, as_text)
    connection.autocommit = True
    connection.execute("set timezone to 'UTC'; set datestyle to 'ISO'; set intervalstyle to 'iso_8601'")
    connection.execute("set bytea_output to 'hex'; set default_transaction_read_only to on")
    connection.autocommit = False


def _set_up_mysql(connection: pymysql.Connection, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set time_zone = '+00:00'")
        cursor.execute("set session transaction read only")


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # A shop's file may hold text that is no UTF-8: it is shown with a mark rather than refused.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")


_SETUP = {"postgresql": _set_up_postgresql, "mysql": _set_up_mysql, "sqlite": _set_up_sqlite}


class Session:
    """One connection, and the cursor that reads from it.

    Args:
        connection: Belongs to the session from here on.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: CursorResult[Any] | None = None

    def run(self, query: str, values: dict[str, Any], rows: int) -> CursorResult[Any]:
        """Rows of a query, fetched some at a time; the cursor before was read to its end."""
        options = self._connection.execution_options(yield_per=rows)
        self._found = options.execute(sa.text(query), values)
        return self._found

    def close(self) -> None:
        """Throw the connection away, whatever still waits in it."""
        if self._found is not None and self._found.cursor is not None:
            _let_go(self._found.cursor)
            with suppress(sa.exc.SQLAlchemyError):  # of a connection that is lost
                self._found.close()
        self._connection.invalidate()
        self._connection.close()


def _let_go(cursor: Any) -> None:
    """Keep pymysql from fetching all the rest before it closes a cursor."""
    result = getattr(cursor, "_result", None)
    if getattr(result, "unbuffered_active", False):
        result.unbuffered_active = False  # type: ignore[union-attr]
