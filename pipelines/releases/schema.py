"""Tables of the ledger on SQLite (WAL) and PostgreSQL, and how a connection to either is made."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine, make_url
from sqlalchemy.types import TypeDecorator

from pipelines.releases.chain import adopt, chain_table
from pipelines.releases.records import LedgerError, utc_now

BUSY_SECONDS = 30
PATIENCE = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Of PostgreSQL's client: a connection whose other end is gone ends after ten seconds, not a quarter of an hour."""
# Any number, the same in every process: serialises the creation of the tables on PostgreSQL.
SETUP_LOCK = 5_106_100


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment; SQLite keeps no zone, so it is put back on reading."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse naive times: a guess of the zone would be kept for ever."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"the ledger takes aware times only, found {value!r}: use utc_now()")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The stored moment, aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Number(TypeDecorator[float]):
    """A number kept as its shortest text, the same on every database: the chain hashes it."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """The shortest text that reads as this number again."""
        return None if value is None else repr(float(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """The stored number."""
        return None if value is None else float(value)


metadata = sa.MetaData()


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)


decisions = sa.Table(
    "decisions",
    metadata,
    _text("decision_id", primary_key=True),
    _text("run_id"),
    _text("kind"),
    _text("verdict"),
    _text("summary"),
    _text("body"),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

# A run that is cleared and runs again may end otherwise: that is another row, not a change of the first.
runs = sa.Table(
    "runs",
    metadata,
    _text("run_id", primary_key=True),
    _text("outcome", primary_key=True),
    _text("fingerprint", index=True),
    _text("tree_id"),
    sa.Column("dirty", sa.Boolean, nullable=False),
    sa.Column("week", sa.Integer, nullable=False),
    _text("decision_id"),
    sa.Column("finished_at", UtcDateTime, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    _text("release_id", primary_key=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    _text("run_id"),
    _text("decision_id"),
    _text("bento_tag"),
    _text("bento_path"),
    _text("bundle_sha256"),
    _text("model_version"),
    sa.Column("week", sa.Integer, nullable=False),
    _text("tree_id"),
    sa.Column("dirty", sa.Boolean, nullable=False),
    _text("dvc_lock_sha256"),
    _text("params_sha256"),
    _text("lock_sha256"),
)

moves = sa.Table(
    "moves",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("release_id", sa.Text, sa.ForeignKey("releases.release_id"), nullable=False),
    sa.Column("previous_release_id", sa.Text, sa.ForeignKey("releases.release_id")),
    _text("kind"),
    _text("actor"),
    _text("reason"),
    _text("decision_id"),
    sa.Column("moved_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("kind IN ('release', 'rollback')", name="kind_is_known"),
    sa.CheckConstraint("reason <> '' AND actor <> ''", name="moves_are_explained"),
)

# These two are not history but requests of the moment: rows come and go.
lease = sa.Table(
    "lease",
    metadata,
    _text("name", primary_key=True),
    _text("holder"),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)
preparations = sa.Table(
    "preparations",
    metadata,
    sa.Column("release_id", sa.Text, sa.ForeignKey("releases.release_id"), primary_key=True),
    sa.Column("requested_at", UtcDateTime, nullable=False),
)

gate_overrides = sa.Table(
    "gate_overrides",
    metadata,
    _text("override_id", primary_key=True),
    sa.Column("decision_id", sa.Text, sa.ForeignKey("decisions.decision_id"), nullable=False),
    _text("actor"),
    _text("reason"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

# A step holds only until the next move: it names the one that was the last when it was taken.
release_steps = sa.Table(
    "release_steps",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("release_id", sa.Text, sa.ForeignKey("releases.release_id"), nullable=False),
    sa.Column("live_release_id", sa.Text, sa.ForeignKey("releases.release_id"), nullable=False),
    sa.Column("move_seq", sa.Integer, sa.ForeignKey("moves.seq"), nullable=False),
    _text("step"),
    sa.Column("share", Number, nullable=False),
    _text("actor"),
    _text("reason"),
    _text("baseline"),
    sa.Column("taken_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("step IN ('canary', 'aborted')", name="step_is_known"),
    sa.CheckConstraint("reason <> '' AND actor <> ''", name="steps_are_explained"),
)

CHAINED = (decisions, runs, releases, moves, gate_overrides, release_steps)
chain = chain_table(metadata)
versions = sa.Table(
    "versions",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("since", UtcDateTime, nullable=False),
)
VERSION = 4
"""Of these tables: 1 had no chain and no number, 2 no overrides, 3 no steps of a release."""
CHAINED_SINCE = 2
APPEND_ONLY = (*CHAINED, chain, versions)

_POSTGRES_GUARD = """
CREATE OR REPLACE FUNCTION shoploop_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the ledger is append-only: % of % refused', TG_OP, TG_TABLE_NAME; END $$
"""


def _guards(dialect: str, table: str) -> list[str]:
    if dialect == "postgresql":
        name = f"{table}_append_only"
        return [
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION shoploop_append_only()",
        ]
    return [
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {verb} of {table} refused'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _create(connection: Connection) -> None:
    """Make the tables, or bring those of an older version up to this one.

    Raises:
        LedgerError: They were made by a newer version than this code knows.
    """
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": SETUP_LOCK})
    found = _found_version(connection)
    if found == VERSION:
        return
    metadata.create_all(connection)
    if dialect == "postgresql":
        connection.execute(sa.text(_POSTGRES_GUARD))
    for table in APPEND_ONLY:
        for statement in _guards(dialect, table.name):
            connection.execute(sa.text(statement))
    if found < CHAINED_SINCE:
        adopt(connection, chain, CHAINED)
    connection.execute(versions.insert().values(version=VERSION, since=utc_now()))


def _found_version(connection: Connection) -> int:
    if not sa.inspect(connection).has_table(versions.name):
        return 0
    found = connection.execute(sa.select(sa.func.max(versions.c.version))).scalar_one_or_none() or 0
    if found > VERSION:
        raise LedgerError(
            f"the ledger was written by a newer shoploop (tables of version {found}, this one knows {VERSION}): "
            "update this installation, or name another ledger in SHOPLOOP_LEDGER_URL"
        )
    return int(found)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(raw: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: a writer has to take its lock at BEGIN,
        # or two of them deadlock when both turn from reading to writing.
        raw.isolation_level = None
        # Bytes that are no UTF-8 must not stop whoever looks for rows that were touched.
        raw.text_factory = lambda text: text.decode(errors="surrogateescape")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ledger_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_url(url: sa.URL) -> sa.URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def open_engine(url: str) -> Engine:
    """An engine for the ledger's database, with the tables and their append-only guards in place.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/database``.
    """
    parsed = _postgres_url(make_url(url))
    if parsed.get_backend_name() == "sqlite":
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        # A connection a time: one kept open would go on reading a file that was moved away or restored.
        engine = sa.create_engine(parsed, poolclass=sa.NullPool, connect_args={"timeout": BUSY_SECONDS})
        _prepare_sqlite(engine)
    else:
        engine = sa.create_engine(parsed, pool_pre_ping=True, connect_args=PATIENCE)
    with engine.connect().execution_options(ledger_writes=True) as connection, connection.begin():
        _create(connection)
    return engine
