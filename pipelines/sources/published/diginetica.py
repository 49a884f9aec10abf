"""Diginetica: views and purchases become one list, sessions shoppers, days and milliseconds moments."""

from pathlib import Path

import duckdb

from pipelines.sources.published.preparing import text_of, write

SHOPPER = "coalesce(userId, 'session-' || sessionId)"
MOMENT = (
    "strftime(try_cast(eventdate as timestamp) + to_milliseconds(try_cast(timeframe as bigint)), "
    "'%Y-%m-%d %H:%M:%S.%g') as moment"
)


def prepare(connection: duckdb.DuckDBPyConnection, raw: Path, into: Path) -> None:
    """Write ``events.parquet``, ``items.parquet`` and ``queries.parquet``."""
    for role in ("views", "purchases", "queries", "clicks", "products", "categories"):
        connection.execute(f"create view {role} as from {text_of(raw / role, ';', 'NA')}")
    write(connection, EVENTS, into / "events.parquet")
    write(connection, ITEMS, into / "items.parquet")
    write(connection, QUERIES, into / "queries.parquet")


EVENTS = f"""
    select concat_ws('-', 'v', sessionId, timeframe, itemId) as event_id, 'view' as kind, {SHOPPER} as shopper, itemId,
        cast(null as varchar) as ordernumber, cast(null as varchar) as pieces, cast(null as double) as price, {MOMENT}
    from views
    union all
    select concat_ws('-', 'p', sessionId, timeframe, itemId, ordernumber), 'purchase', {SHOPPER}, itemId,
        ordernumber, '1', round(pow(2, try_cast(pricelog2 as double)), 2), {MOMENT}
    from purchases left join (select itemId, any_value(pricelog2) as pricelog2 from products group by itemId)
    using (itemId)"""
ITEMS = """
    select itemId, coalesce("product.name.tokens", itemId) as title, coalesce(categoryId, 'unknown') as category
    from products left join (select itemId, any_value(categoryId) as categoryId from categories group by itemId)
    using (itemId)"""
# The place of the first click in the list that was shown; 0 would mean that it is not in it.
QUERIES = f"""
    select queryId, {SHOPPER} as shopper, "searchstring.tokens" as words, len(shown) as results, clicked,
        nullif(list_position(shown, clicked), 0) as place, {MOMENT}
    from (select *, string_split(items, ',') as shown from queries)
    left join (
        select queryId, arg_min(itemId, try_cast(timeframe as bigint)) as clicked from clicks group by queryId
    ) using (queryId)"""
