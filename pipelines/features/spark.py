"""Builds the SQL views of this room on Spark: the same files, transpiled, with the same result as on DuckDB."""

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from pipelines.features import known
from pipelines.features.build import show, write_sorted
from pipelines.features.views import FOLDER, FeatureError, View, read_view


def for_spark(sql: str, name: str = "a statement") -> str:
    """Transpile one statement from DuckDB's dialect to Spark's.

    Raises:
        FeatureError: sqlglot cannot read it, or Spark has no word for a part of it.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        return tree.transform(_spark_word).sql(
            "spark", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
    except sqlglot.errors.SqlglotError as error:
        raise FeatureError(
            f"{name}.sql cannot be said in Spark's SQL ({error}); write it in what both engines run"
        ) from error


def build_views_on_spark(
    session: Any,
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
    """Like :func:`pipelines.features.build.build_views`, on ``session``.

    Keys, texts, integers and booleans are the same; sums of floats may differ in their last digits, since Spark
    adds in another order.

    Raises:
        FeatureError: A file is missing or its SQL is refused by one of the engines.
    """
    out.mkdir(parents=True, exist_ok=True)
    given = {"events": events, "items": items, "users": users, "promotions": promotions}
    sources = {name: path for name, path in given.items() if path is not None}
    with tempfile.TemporaryDirectory(
        prefix="views-", dir=session.conf.get("spark.local.dir")
    ) as folder_of_parts:
        parts = Path(folder_of_parts)
        sources["corrected"] = _corrected(events, at_us, parts)
        with duckdb.connect() as database:
            database.execute("SET threads = 1; SET TimeZone = 'UTC'")
            _show(session, database, sources)
            _make_known(session, database, sources, at_us, week, from_week)
            views = [read_view(name, folder) for name in names]
            return {view.name: _write_view(session, database, view, parts, out) for view in views}


def _corrected(events: Path, at_us: int, parts: Path) -> Path:
    """Ids of corrected events; DuckDB follows the chains, which are few, since Spark has no such recursion."""
    with duckdb.connect() as database:
        show(database, {"events": events})
        known.make_corrected(database, database.table("events").columns, at_us)
        path = parts / "corrected.parquet"
        database.execute(f"COPY corrected TO '{path}' (FORMAT parquet)")
    return path


def _show(session: Any, database: duckdb.DuckDBPyConnection, sources: dict[str, Path]) -> None:
    """Name the inputs in both engines; in DuckDB without rows, since it is only asked for types."""
    for name, path in sources.items():
        session.read.parquet(path.resolve().as_uri()).createOrReplaceTempView(name)
        database.execute(f"CREATE TABLE {name} AS FROM read_parquet($path) LIMIT 0", {"path": str(path)})


def _make_known(
    session: Any,
    database: duckdb.DuckDBPyConnection,
    sources: dict[str, Path],
    at_us: int,
    week: int,
    from_week: int,
) -> None:
    statements = {"known_events": known.known_events(at_us, from_week), "moment": known.moment(at_us, week)}
    if "promotions" in sources:
        statements["known_promotions"] = known.known_promotions(at_us)
    for name, sql in statements.items():
        session.sql(for_spark(sql)).createOrReplaceTempView(name)
        database.execute(f"CREATE TABLE {name} AS {sql} LIMIT 0")
    for name in {"events", "promotions", "corrected"} & set(sources):  # out of reach of every view
        session.catalog.dropTempView(name)
        database.execute(f"DROP TABLE {name}")


def _write_view(session: Any, database: duckdb.DuckDBPyConnection, view: View, parts: Path, out: Path) -> int:
    """Let Spark compute the rows, and DuckDB bring them into the types and the order of its own files."""
    types = _types(database, view)
    rows = parts / view.name
    try:
        session.sql(for_spark(view.sql, view.name)).write.mode("overwrite").parquet(rows.as_uri())
    except Exception as error:  # py4j, pyspark and the JVM each have errors of their own
        raise FeatureError(f"{view.name}.sql is refused by Spark: {str(error).strip()[:2000]}") from error
    session.read.parquet(rows.as_uri()).createOrReplaceTempView(view.name)
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types.items())
    return write_sorted(database, view, f"SELECT {columns} FROM read_parquet('{rows}/*.parquet')", out)


def _types(database: duckdb.DuckDBPyConnection, view: View) -> dict[str, str]:
    try:
        relation = database.sql(view.sql)
    except duckdb.Error as error:
        raise FeatureError(f"{view.name}.sql is refused by DuckDB: {error}") from error
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _spark_word(node: exp.Expression) -> exp.Expression:
    """Functions that Spark has under a name that sqlglot does not know of."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "epoch_us":
        return exp.Anonymous(this="unix_micros", expressions=node.expressions)
    if isinstance(node, exp.Log) and node.expression is None:  # DuckDB's is of base 10, Spark's is natural
        return exp.Anonymous(this="log10", expressions=[node.this])
    return node
