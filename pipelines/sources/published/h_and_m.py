"""H&M: equal rows are several pieces of one article."""

from pathlib import Path

import duckdb

from pipelines.sources.published.preparing import text_of, write


def prepare(connection: duckdb.DuckDBPyConnection, raw: Path, into: Path) -> None:
    """Write ``events.parquet``: the transactions, equal ones together with how many they are."""
    query = f"select *, count(*) as pieces from {text_of(raw / 'transactions')} group by all"
    write(connection, query, into / "events.parquet")
