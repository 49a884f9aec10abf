"""Builds on DuckDB only what changed since an earlier build, byte for byte as if all were built.

A view whose inputs are as they were is taken over. A view with the header line ``-- incremental: user_id`` promises
that the rows of one shopper depend on nothing but the input rows of that shopper and the catalog rows of the items
in them, not on the moment: of it only shoppers are built whose inputs changed. Changes are found by comparing the
inputs of the two builds, so late, corrected and removed events count like new ones. All other views are built anew.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from pipelines.features import build, known
from pipelines.features.build import load_known, open_database, show, write_sorted
from pipelines.features.kept_builds import PRINTS, ROWS, KeptBuild, KeptBuilds
from pipelines.features.views import FOLDER, FeatureError, View, read_view
from pipelines.tables import sha256

SHOPPER = "user_id"
PER_SHOPPER = frozenset({"known_events", "items", "users"})
"""Inputs of which it is known which shoppers a row touches."""

ORDERS = {"known_events": (SHOPPER, "occurred_at", "event_id"), "users": (SHOPPER,)}
"""How the inputs are sorted; sums of floats depend on it."""

# A sum and an exclusive or of hashes do not depend on the order of the rows; the hash is over all of their columns.
DIGEST = "SELECT concat_ws('-', COUNT(*), SUM(hash(rows)), BIT_XOR(hash(rows))) FROM {table} AS rows"
PRINT = """
    SELECT user_id, concat_ws('-', COUNT(*), SUM(hashed), BIT_XOR(hashed)) AS print
    FROM (
        SELECT known_events.user_id, hash(known_events, items) AS hashed
        FROM known_events LEFT JOIN items ON known_events.item_id = items.item_id
        {users}
    )
    GROUP BY user_id
"""


def build_views_incrementally(
    kept: KeptBuilds,
    touched_share: float,
    tell: Callable[[str], object],
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
    """Like :func:`pipelines.features.build.build_views`, with the same bytes, from earlier builds where it can.

    Args:
        kept: Earlier builds; this one is added.
        touched_share: Up to this share of shoppers, those whose inputs changed are built alone; above it a view
            is built whole, which is then faster.
        tell: Told in a line per view what was done.

    Raises:
        FeatureError: A file is missing, its SQL is refused, or it promises by its header what it does not keep.
    """
    out.mkdir(parents=True, exist_ok=True)
    views = [read_view(name, folder) for name in names]
    reads = reads_of(views)
    with open_database(out) as database, tempfile.TemporaryDirectory(prefix=".old-", dir=out) as scratch:
        digests = digests_of(events, items, at_us, week, from_week, users, promotions)

        def load() -> None:
            load_known(database, events, items, at_us, week, from_week, users, promotions)

        types = types_of(events, items, users, promotions)
        builder = _Builder(database, kept, touched_share, load, reads, digests, types, out, Path(scratch))
        for view in views:
            tell(f"{view.name}: {builder.build(view)}")
        return {view.name: builder.rows(view.name) for view in views}


def reads_of(views: list[View]) -> dict[str, frozenset[str]]:
    """What each view reads, tables and views, and a check of what the headers promise.

    Raises:
        FeatureError: A view is not SQL, or its ``-- incremental:`` line cannot be true.
    """
    promised = PER_SHOPPER | {view.name for view in views if view.incremental}
    reads = {view.name: _tables(view) for view in views}
    for view in views:
        if view.incremental not in ("", SHOPPER):
            raise FeatureError(
                f"{view.name}.sql: expected `-- incremental: {SHOPPER}`, found {view.incremental!r}; correct "
                "the line or remove it"
            )
        others = (reads[view.name] & ({"moment", "known_promotions"} | set(reads))) - promised
        if view.incremental and (others or SHOPPER not in view.key):
            why = f"reads {', '.join(sorted(others))}" if others else f"has no {SHOPPER} in its key"
            raise FeatureError(
                f"{view.name}.sql says `-- incremental: {SHOPPER}`, but {why}, so its rows depend on more than "
                "one shopper's; remove the line"
            )
    return reads


def digests_of(
    events: Path,
    items: Path,
    at_us: int,
    week: int,
    from_week: int,
    users: Path | None = None,
    promotions: Path | None = None,
) -> dict[str, str]:
    """What tells whether each table that a view may read is as it was; two that are equal have equal digests.

    Events are known by the file that they come from, since to look at each would take as long as a view.
    """
    with duckdb.connect() as database:
        show(database, {"items": items, "users": users, "promotions": promotions})
        found = {
            "known_events": f"{sha256(events)} {at_us} {from_week}",
            "items": _digest(database, "items"),
            "moment": f"{at_us} {week}",
        }
        if users:
            found["users"] = _digest(database, "users")
        if promotions:
            database.execute(f"CREATE VIEW known_promotions AS {known.known_promotions(at_us)}")
            found["known_promotions"] = _digest(database, "known_promotions")
        return found


def types_of(events: Path, items: Path, users: Path | None, promotions: Path | None) -> dict[str, str]:
    """Columns of the files behind each table and their types."""
    given = {"known_events": events, "items": items, "users": users, "known_promotions": promotions}
    return {name: str(pq.read_schema(path)) for name, path in given.items() if path is not None}


def _digest(database: duckdb.DuckDBPyConnection, table: str) -> str:
    found = database.execute(DIGEST.format(table=table)).fetchone()
    return str(found[0]) if found else ""


def _tables(view: View) -> frozenset[str]:
    try:
        tree = parse_one(view.sql, read="duckdb")
    except SqlglotError as error:
        raise FeatureError(f"{view.name}.sql cannot be read as SQL: {error}") from error
    return frozenset(table.name for table in tree.find_all(exp.Table))


class _Builder:
    """Builds one view after another in one database."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        kept: KeptBuilds,
        touched_share: float,
        load: Callable[[], None],
        reads: Mapping[str, frozenset[str]],
        digests: Mapping[str, str],
        types: Mapping[str, str],
        out: Path,
        scratch: Path,
    ) -> None:
        self._database, self._kept, self._load = database, kept, load
        self._touched_share = touched_share
        self._reads, self._digests, self._types_of = reads, digests, types
        self._out, self._scratch = out, scratch
        self._code: dict[str, str] = {}
        self._inputs: dict[str, dict[str, str]] = {}
        self._tables: set[str] = set()
        self._orders: dict[str, tuple[str, ...]] = dict(ORDERS)

    def rows(self, name: str) -> int:
        """How many rows a view has that was built."""
        found = self._database.execute(f"SELECT COUNT(*) FROM read_parquet('{self._file(name)}')").fetchone()
        return int(found[0]) if found else 0

    def build(self, view: View) -> str:
        """Build or take over one view; says what was done."""
        self._identify(view)
        self._orders[view.name] = view.key
        code, inputs = self._code[view.name], self._inputs[view.name]
        earlier = self._kept.of(view.name, code)
        if any(build.inputs == inputs and build.take(ROWS, self._file(view.name)) for build in earlier):
            return "nothing that it reads has changed; taken over"
        self._bring(view)
        done = self._update(view, earlier[0]) if view.incremental and earlier else None
        if done is None:
            write_sorted(self._database, view, view.sql, self._out)
        self._tables.add(view.name)
        self._keep(view)
        return done or "built"

    def _identify(self, view: View) -> None:
        """What the view's rows follow from: code and inputs, its own and those of the views that it reads."""
        above = sorted(self._reads[view.name] & set(self._code))
        own = {name: self._digests[name] for name in self._reads[view.name] & set(self._digests)}
        engine = [duckdb.__version__, *(Path(file).read_text() for file in (build.__file__, __file__))]
        types = {name: self._types_of[name] for name in own if name != "moment"}
        code = json.dumps([engine, view.sql, types, [self._code[name] for name in above]], sort_keys=True)
        self._code[view.name] = hashlib.sha256(code.encode()).hexdigest()
        self._inputs[view.name] = {
            key: value for name in above for key, value in self._inputs[name].items()
        } | own

    def _bring(self, view: View) -> None:
        """Have the tables that the view reads, also of views that were taken over."""
        if not self._tables:
            self._load()
            self._tables.update(self._digests)
        for name in self._reads[view.name] & set(self._code) - self._tables - {view.name}:
            self._database.execute(f"CREATE VIEW {name} AS FROM read_parquet('{self._file(name)}')")
            self._tables.add(name)

    def _update(self, view: View, earlier: KeptBuild) -> str | None:
        """Build the shoppers whose inputs changed since an earlier build; None when it cannot be gone on from."""
        rows, prints = self._scratch / ROWS, self._scratch / PRINTS
        if not (earlier.take(ROWS, rows) and earlier.take(PRINTS, prints)):
            return None
        self._find_touched(prints)
        if self._count("touched.shoppers") > self._touched_share * self._count("prints"):
            return None
        self._build_touched(view)
        if self._types("touched.built") != self._types(f"read_parquet('{rows}')"):
            return None
        among = f"{SHOPPER} {{}} IN (SELECT {SHOPPER} FROM touched.shoppers)"
        untouched = f"SELECT * FROM read_parquet('{rows}') WHERE {among.format('NOT')}"
        together = f"SELECT * FROM ({untouched} UNION ALL SELECT * FROM touched.built)"
        write_sorted(self._database, view, together, self._out)
        return f"{self._count('touched.shoppers'):,} of {self._count('prints'):,} shoppers built"

    def _find_touched(self, prints: Path) -> None:
        """Shoppers who came, went, or of whose input rows any differs."""
        self._print()
        self._database.execute("DROP SCHEMA IF EXISTS touched CASCADE; CREATE SCHEMA touched")
        self._database.execute(
            f"""
            CREATE TABLE touched.shoppers AS
            SELECT COALESCE(now.user_id, old.user_id) AS user_id
            FROM prints AS now FULL JOIN read_parquet('{prints}') AS old ON now.user_id = old.user_id
            WHERE now.print IS DISTINCT FROM old.print
            """
        )

    def _build_touched(self, view: View) -> None:
        """Run the view on the input rows of touched shoppers, in the order in which all rows are."""
        for name in self._reads[view.name] & self._tables - {"items"}:
            self._database.execute(
                f"CREATE TABLE touched.{name} AS FROM main.{name} "
                f"WHERE {SHOPPER} IN (SELECT {SHOPPER} FROM touched.shoppers) ORDER BY {', '.join(self._orders[name])}"
            )
        self._database.execute("SET search_path = 'touched,main'")
        try:
            self._database.execute(f"CREATE TABLE touched.built AS {view.sql}")
        except duckdb.Error as error:
            raise FeatureError(f"{view.name}.sql is refused by DuckDB: {error}") from error
        finally:
            self._database.execute("SET search_path = 'main'")

    def _print(self) -> None:
        if "prints" in self._tables:
            return
        users = (
            "UNION ALL SELECT user_id, hash(users) AS hashed FROM users" if "users" in self._digests else ""
        )
        self._database.execute(f"CREATE TABLE prints AS {PRINT.format(users=users)} ORDER BY user_id")
        self._tables.add("prints")

    def _keep(self, view: View) -> None:
        """Keep what was built, unless Parquet changes its types: what is taken over must be the same table."""
        if self._types(view.name) != self._types(f"read_parquet('{self._file(view.name)}')"):
            return
        files = {ROWS: self._file(view.name)}
        if view.incremental:
            self._print()
            files[PRINTS] = self._scratch / f"now-{PRINTS}"
            self._database.execute(f"COPY prints TO '{files[PRINTS]}' (FORMAT parquet)")
        self._kept.keep(view.name, self._code[view.name], self._inputs[view.name], files)

    def _types(self, table: str) -> list[tuple[str, str]]:
        found = self._database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()
        return [(name, kind) for name, kind, *_ in found]

    def _count(self, table: str) -> int:
        found = self._database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
        return int(found[0]) if found else 0

    def _file(self, name: str) -> Path:
        return self._out / f"{name}.parquet"
