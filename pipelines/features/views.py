"""Builds the SQL views of this room on DuckDB, as known at a moment.

A view may read ``known_events``, ``items``, ``users``, ``known_promotions``, ``moment`` (one row: ``at_us``,
``week``) and the views named before it. The events and promotions themselves are out of its reach, so a view
cannot look past the moment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import duckdb
import pyarrow as pa

FOLDER = Path(__file__).parent


class FeatureError(Exception):
    """A view cannot be built; the message names the file and the remedy."""


@dataclass(frozen=True)
class View:
    """One feature file.

    Attributes:
        name: Name of the view and of its file.
        key: Columns that identify a row; the output is sorted by them.
        sql: The statement.
        meaning: What a row is, the lines above the key.
        windows: How far back it looks.
        columns: Meaning and unit of each output column, in the header's order.
        notes: What else the header says.
    """

    name: str
    key: tuple[str, ...]
    sql: str
    meaning: str = ""
    windows: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""


def read_view(name: str, folder: Path = FOLDER) -> View:
    """Read one view.

    Only the key is needed to build it. That nothing else is missing is for the catalog to see: a bundle may
    carry a view from before there were such headers.

    Raises:
        FeatureError: There is no such file, or its header names no key.
    """
    path = folder / f"{name}.sql"
    if not path.is_file():
        found = ", ".join(sorted(file.stem for file in folder.glob("*.sql")))
        raise FeatureError(
            f"{path} is missing, but build_features.views in params.yaml names it; found: {found}"
        )
    sql = path.read_text()
    header = _read_header(sql)
    if not header["key"]:
        raise FeatureError(
            f"{path}: the header has no line `-- key: column, column`; add it below the first line"
        )
    columns = dict(line.split(": ", 1) for line in header["column"])
    key = tuple(column.strip() for column in header["key"][0].split(","))
    meaning, windows, notes = (" ".join(header[part]) for part in ("meaning", "windows", "notes"))
    return View(name, key, sql, meaning, windows, columns, notes)


def _read_header(sql: str) -> dict[str, list[str]]:
    """The comment lines before the statement by what they say; untagged ones after the key are notes."""
    header: dict[str, list[str]] = {part: [] for part in ("meaning", "key", "windows", "column", "notes")}
    for line in takewhile(lambda line: line.startswith("--"), sql.splitlines()):
        text = line.removeprefix("--").strip()
        tag = re.match(r"(key|windows|column)(?:: ?| (?=\w+: ))(.+)", text)
        if tag is not None:
            header[tag[1]].append(tag[2])
        else:
            header["notes" if header["key"] else "meaning"].append(text)
    return header


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

    An event is known from the moment on at which the shop learned of it, and no longer once an event that is
    known says by ``corrects`` that it takes its place. A promotion is known once it has begun.
    """
    database.execute(
        "CREATE TABLE moment AS SELECT $at::BIGINT AS at_us, $week::INTEGER AS week",
        {"at": at_us, "week": week},
    )
    _load_known_events(database, events, at_us, from_week)
    database.execute("CREATE TABLE items AS SELECT * FROM read_parquet($items)", {"items": str(items)})
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


def _load_known_events(
    database: duckdb.DuckDBPyConnection, events: Path | pa.Table, at_us: int, from_week: int
) -> None:
    if isinstance(events, Path):
        database.read_parquet(str(events)).create_view("events")
    else:
        database.register("events", events)
    known = "epoch_us(occurred_at) < $at AND epoch_us(ingested_at) <= $at"
    stands = "TRUE"
    if "corrects" in database.table("events").columns:
        stands = f"event_id NOT IN (SELECT corrects FROM events WHERE corrects IS NOT NULL AND {known})"
    database.execute(
        f"""
        CREATE TABLE known_events AS
        SELECT *, epoch_us(occurred_at) AS occurred_us
        FROM events
        WHERE {known} AND {stands} AND week >= $from_week
        ORDER BY user_id, occurred_at, event_id
        """,
        {"at": at_us, "from_week": from_week},
    )
    database.execute("DROP VIEW events")  # out of reach, so that no view looks past the moment


def _write_view(database: duckdb.DuckDBPyConnection, view: View, out: Path) -> int:
    try:
        database.execute(f"CREATE TABLE {view.name} AS {view.sql} ORDER BY {', '.join(view.key)}")
    except duckdb.Error as error:
        raise FeatureError(f"{view.name}.sql is refused by DuckDB: {error}") from error
    path = str(out / f"{view.name}.parquet")
    database.execute(f"COPY {view.name} TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    count = database.execute(f"SELECT COUNT(*) FROM {view.name}").fetchone()
    return int(count[0]) if count else 0
