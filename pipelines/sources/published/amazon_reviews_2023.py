"""Amazon Reviews 2023: the lists of categories in the metadata become columns."""

from pathlib import Path

import duckdb

from pipelines.sources.published.preparing import json_of, write

READ = {
    "parent_asin": "varchar",
    "title": "varchar",
    "main_category": "varchar",
    "store": "varchar",
    "categories": "varchar[]",
}


def prepare(connection: duckdb.DuckDBPyConnection, raw: Path, into: Path) -> None:
    """Write ``items.parquet``: item, title, brand and three levels of categories."""
    query = f"""
        select parent_asin, coalesce(nullif(title, ''), parent_asin) as title, nullif(store, '') as store,
            coalesce(nullif(main_category, ''), categories[1], 'unknown') as department,
            categories[2] as category, categories[3] as type
        from {json_of(raw / "metadata", READ)}"""
    write(connection, query, into / "items.parquet")
