"""RetailRocket: long lists of property snapshots become one row for each item."""

from pathlib import Path

import duckdb

from pipelines.sources.published.preparing import text_of, write

DEEPEST = 20  # levels of the tree of categories; more would be a circle


def prepare(connection: duckdb.DuckDBPyConnection, raw: Path, into: Path) -> None:
    """Write ``items.parquet``: item, category, root of the category, availability."""
    connection.execute(f"create table tree as from {text_of(raw / 'tree')}")
    query = f"""
        with recursive climbed as (
            select categoryid as leaf, categoryid as reached, parentid as above, 1 as depth from tree
            union all
            select leaf, tree.categoryid, tree.parentid, depth + 1
            from climbed join tree on tree.categoryid = above where depth < {DEEPEST}
        ),
        roots as (select leaf, any_value(reached) as root from climbed where above is null group by leaf),
        known as (
            select itemid,
                arg_max(value, timestamp::bigint) filter (property = 'categoryid') as category,
                arg_max(value, timestamp::bigint) filter (property = 'available') as available
            from {text_of(raw / "properties")}
            where property in ('categoryid', 'available') group by itemid
        ),
        items as (select distinct itemid from {text_of(raw / "events")} union select itemid from known)
        select itemid, category, coalesce(root, category, 'unknown') as root, coalesce(available, '1') as available
        from items left join known using (itemid) left join roots on leaf = category
        where itemid is not null order by itemid"""
    write(connection, query, into / "items.parquet")
