"""Builds the SQL views of this room on DuckDB, as known at a moment.

A view may read ``known_events``, ``items``, ``users``, ``known_promotions``, ``moment`` (one row: ``at_us``,
``week``) and the views named before it. The events and promotions themselves are out of its reach, so a view
cannot look past the moment.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.contracts.corrections import corrected_sql
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
        return {name: _write_view(database, read_view(name, folder), out) for name in names}


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
    lies before ``from_week``. A promotion is known once it has begun.
    """
    if isinstance(events, Path):
        database.read_parquet(str(events)).create_view("events")
    else:
        database.register("events", events)
    database.execute(
        """
        CREATE TABLE known AS
        SELECT *, epoch_us(occurred_at) AS occurred_us
        FROM events
        WHERE epoch_us(occurred_at) < $at AND epoch_us(ingested_at) <= $at
        """,
        {"at": at_us},
    )
    database.execute(
        f"""
        CREATE TABLE known_events AS
        SELECT * FROM known
        WHERE week >= $from_week {_not_corrected(database)}
        ORDER BY user_id, occurred_at, event_id
        """,
        {"from_week": from_week},
    )
    # Out of reach, so that no view looks past the moment.
    database.execute("DROP VIEW events; DROP TABLE known")
    database.execute("CREATE TABLE items AS SELECT * FROM read_parquet($items)", {"items": str(items)})
    database.execute(
        "CREATE TABLE moment AS SELECT $at::BIGINT AS at_us, $week::INTEGER AS week",
        {"at": at_us, "week": week},
    )
    if users is not None:
        database.execute("CREATE TABLE users AS SELECT * FROM read_parquet($users)", {"users": str(users)})
    if promotions is not None:
        database.execute(
            """
            CREATE TABLE known_promotions AS
            SELECT *, epoch_us(starts_at) AS starts_us, epoch_us(ends_at) AS ends_us
            FROM read_parquet($promotions)
            WHERE epoch_us(starts_at) < $at
            ORDER BY promotion_id
            """,
            {"promotions": str(promotions), "at": at_us},
        )


def _not_corrected(database: duckdb.DuckDBPyConnection) -> str:
    if "corrects" not in database.table("known").columns:
        return ""  # events of the contract's first version know no corrections
    return f"AND event_id NOT IN ({corrected_sql('known')})"


def _write_view(database: duckdb.DuckDBPyConnection, view: View, out: Path) -> int:
    try:
        database.execute(f"CREATE TABLE {view.name} AS {view.sql} ORDER BY {', '.join(view.key)}")
    except duckdb.Error as error:
        raise FeatureError(f"{view.name}.sql is refused by DuckDB: {error}") from error
    path = str(out / f"{view.name}.parquet")
    database.execute(f"COPY {view.name} TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    count = database.execute(f"SELECT COUNT(*) FROM {view.name}").fetchone()
    return int(count[0]) if count else 0
