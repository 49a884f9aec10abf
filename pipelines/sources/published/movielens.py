"""MovieLens: the first of a film's genres."""

from pathlib import Path

import duckdb

from pipelines.sources.published.preparing import text_of, write


def prepare(connection: duckdb.DuckDBPyConnection, raw: Path, into: Path) -> None:
    """Write ``items.parquet``: film, title, genres, first genre."""
    query = f"""
        select movieId, title, genres, coalesce(split_part(genres, '|', 1), 'unknown') as first_genre
        from {text_of(raw / "movies")}"""
    write(connection, query, into / "items.parquet")
