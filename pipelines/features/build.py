"""Builds the SQL views of this room on DuckDB, as known at a moment.

A view may read ``known_events``, ``items``, ``users``, ``known_promotions``, ``moment`` (one row: ``at_us``,
``week``) and the views named before it. The events and promotions themselves are out of its reach, so a view
cannot look past the moment.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from pipelines.features import known
from pipelines.features.views import FOLDER, FeatureError, View, read_view

MEMORY = "2500MB"
"""What DuckDB may use for itself; the process stays below 4 GiB with it."""
ORDERLESS = (exp.Count, exp.Min, exp.Max, exp.Median)
"""Aggregates whose result does not depend on the order of their rows, as that of a sum of floats does."""


def build_views(
    names: tuple[str, ...],
    events: Path,
    items: Path,
    at_us: int,
    week: int,
    out: Path,
    from_week: int = 1,
    folder: Path = FOLDER,
    users: Path | None = None,
    promotions: Path | None = None,
) -> dict[str, int]:
    """Build views in order and write each as ``out/<name>.parquet``, sorted by its key.

    Args:
        names: The views, each after those it reads.
        events: Parquet of the events contract plus ``week``, sorted by ``occurred_at`` and ``event_id``: floats are
            summed in its order. Rows from the moment on are not shown to any view.
        items: Parquet of the items contract.
        at_us: The moment, microseconds since the epoch (UTC).
        week: The shop week that begins at the moment.
        out: Folder to write to.
        from_week: First shop week that is learned from; older events are not shown to any view either.
        folder: Where the view files are.
        users: Parquet of the users contract; without it a view that reads ``users`` is refused.
        promotions: Parquet of the promotions contract; without it a view that reads ``known_promotions`` is.

    Returns:
        Rows per view.

    Raises:
        FeatureError: A file is missing or its SQL is refused.
    """
    out.mkdir(parents=True, exist_ok=True)
    with open_database(out) as database:
        load_known(database, events, items, at_us, week, from_week, users, promotions)
        views = [read_view(name, folder) for name in names]
        return {view.name: write_sorted(database, view, view.sql, out) for view in views}


@contextmanager
def open_database(out: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which equal inputs give equal bytes; what exceeds its memory is in ``out`` until it is closed."""
    with tempfile.TemporaryDirectory(prefix=".spilled-", dir=out) as spilled, duckdb.connect() as database:
        # One thread sums floats in one order. So does a fixed limit: what is spilled is summed in parts.
        database.execute(f"SET threads = 1; SET memory_limit = '{MEMORY}'; SET TimeZone = 'UTC'")
        database.execute(f"SET temp_directory = {_text(Path(spilled))}")
        yield database


def load_known(
    database: duckdb.DuckDBPyConnection,
    events: Path | pa.Table,
    items: Path,
    at_us: int,
    week: int,
    from_week: int = 1,
    users: Path | None = None,
    promotions: Path | None = None,
) -> None:
    """Make the tables that a view may read; the arguments are those of :func:`build_views`.

    An event that a correction known at the moment replaces is left out, also when the correction itself
    lies before ``from_week``. A promotion is known once it has begun. ``items`` and ``users`` stay in their files.
    """
    # In a schema of their own, which no view names, so that none looks past the moment.
    database.execute("CREATE SCHEMA landed; SET search_path = 'landed'")
    show(database, {"events": events, "promotions": promotions})
    any_corrected = known.make_corrected(database, database.table("events").columns, at_us)
    events_known = known.known_events(at_us, from_week, "landed.", any_corrected)
    # A view, not a table: it is read column by column from its file, however large that is.
    database.execute(f"CREATE VIEW main.known_events AS {events_known}")
    if promotions is not None:
        database.execute(
            f"CREATE TABLE main.known_promotions AS {known.known_promotions(at_us)} ORDER BY promotion_id"
        )
    database.execute("SET search_path = 'main'")
    show(database, {"items": items, "users": users})
    database.execute(f"CREATE TABLE moment AS {known.moment(at_us, week)}")


def show(database: duckdb.DuckDBPyConnection, sources: dict[str, Path | pa.Table | None]) -> None:
    """Name the tables as landed; None is not there."""
    for name, source in sources.items():
        if isinstance(source, Path):
            database.execute(f"CREATE VIEW {name} AS FROM read_parquet({_text(source)})")
        elif source is not None:
            database.register("arrow", source)
            database.execute(f"CREATE TABLE {name} AS FROM arrow")
            database.unregister("arrow")


def write_sorted(database: duckdb.DuckDBPyConnection, view: View, sql: str, out: Path) -> int:
    """Write what ``sql`` selects as the file of a view, sorted by its key; equal rows give equal bytes.

    The views after it read it from there.

    Returns:
        How many rows it has.

    Raises:
        FeatureError: DuckDB refuses the SQL.
    """
    file = _text(out / f"{view.name}.parquet")
    database.execute(f"SET threads = {threads_for(sql)}")
    # TRY makes each column optional in the file: else it would depend on the plan which of them are.
    ordered = f"SELECT TRY(COLUMNS(*)) FROM (SELECT * FROM ({sql}\n) ORDER BY {', '.join(view.key)})"
    try:
        database.execute(f"COPY ({ordered}) TO {file} (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.Error as error:
        raise FeatureError(f"{view.name}.sql is refused by DuckDB: {error}") from error
    finally:
        database.execute("SET threads = 1")
    # The views after it read the file: memory stays free for what is being built.
    database.execute(f"CREATE VIEW {view.name} AS FROM read_parquet({file})")
    count = database.execute(f"SELECT COUNT(*) FROM {view.name}").fetchone()
    return int(count[0]) if count else 0


def threads_for(sql: str) -> int:
    """As many as there are cores for a view whose every aggregate is orderless, else one; the bytes are the same."""
    try:
        functions = list(parse_one(sql, read="duckdb").find_all(exp.AggFunc, exp.Anonymous))
    except SqlglotError:
        return 1
    return (os.cpu_count() or 1) if all(isinstance(found, ORDERLESS) for found in functions) else 1


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
