"""Builds the SQL views of this room on DuckDB, as known at a moment.

A view may read ``known_events``, ``items``, ``users``, ``known_promotions``, ``moment`` (one row: ``at_us``,
``week``) and the views named before it. The events and promotions themselves are out of its reach, so a view
cannot look past the moment.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.features import known
from pipelines.features.views import FOLDER, FeatureError, View, read_view


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
        events: Parquet of the events contract plus ``week``; rows from the moment on are not shown to any view.
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
    with duckdb.connect() as database:
        # One thread sums floats in one order: the files must be equal byte for byte on every run.
        database.execute("SET threads = 1; SET TimeZone = 'UTC'")
        load_known(database, events, items, at_us, week, from_week, users, promotions)
        views = [read_view(name, folder) for name in names]
        return {view.name: write_sorted(database, view, view.sql, out) for view in views}


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
    show(database, {"events": events, "items": items, "users": users, "promotions": promotions})
    known.make_corrected(database, database.table("events").columns, at_us)
    database.execute(
        f"""
        CREATE TABLE known_events AS
        {known.known_events(at_us, from_week)}
        ORDER BY user_id, occurred_at, event_id
        """
    )
    database.execute(f"CREATE TABLE moment AS {known.moment(at_us, week)}")
    if promotions is not None:
        database.execute(
            f"CREATE TABLE known_promotions AS {known.known_promotions(at_us)} ORDER BY promotion_id"
        )
    # Out of reach, so that no view looks past the moment.
    database.execute("DROP VIEW events; DROP VIEW IF EXISTS promotions; DROP TABLE corrected")


def show(database: duckdb.DuckDBPyConnection, sources: dict[str, Path | pa.Table | None]) -> None:
    """Name the tables as landed; None is not there."""
    for name, source in sources.items():
        if isinstance(source, Path):
            database.read_parquet(str(source)).create_view(name)
        elif source is not None:
            database.register(name, source)


def write_sorted(database: duckdb.DuckDBPyConnection, view: View, sql: str, out: Path) -> int:
    """Make the table of a view from ``sql`` and write it, sorted by its key; equal rows give equal bytes.

    Returns:
        How many rows it has.

    Raises:
        FeatureError: DuckDB refuses the SQL.
    """
    try:
        database.execute(f"CREATE TABLE {view.name} AS {sql} ORDER BY {', '.join(view.key)}")
    except duckdb.Error as error:
        raise FeatureError(f"{view.name}.sql is refused by DuckDB: {error}") from error
    path = str(out / f"{view.name}.parquet")
    database.execute(f"COPY {view.name} TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    count = database.execute(f"SELECT COUNT(*) FROM {view.name}").fetchone()
    return int(count[0]) if count else 0
