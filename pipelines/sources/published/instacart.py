"""Instacart: moments out of the days between orders, and lines joined with their orders."""

from pathlib import Path

import duckdb

from pipelines.sources.published.preparing import text_of, write

START = "2017-01-01"  # a Sunday, since order_dow 0 is taken for Sunday; docs/published.md says so


def prepare(connection: duckdb.DuckDBPyConnection, raw: Path, into: Path) -> None:
    """Write ``events.parquet``, a row for each line of an order, and ``items.parquet``."""
    connection.execute(f"create table moments as {_moments(raw)}")
    # A line of an order that is not there keeps no shopper and no moment: the contract quarantines it.
    lines = f"""
        select order_id, product_id, user_id, ordered_at
        from {text_of(raw / "lines")} left join moments using (order_id)"""
    write(connection, lines, into / "events.parquet")
    items = f"""
        select product_id, product_name, coalesce(department, 'unknown') as department, aisle
        from {text_of(raw / "products")}
        left join {text_of(raw / "aisles")} using (aisle_id)
        left join {text_of(raw / "departments")} using (department_id)"""
    write(connection, items, into / "items.parquet")


def _moments(raw: Path) -> str:
    in_order = "over (partition by user_id order by order_number::int)"
    return f"""
        select order_id, user_id,
            strftime(date '{START}' + to_days(first_day + days) + to_hours(hour), '%Y-%m-%d %H:%M:%S') as ordered_at
        from (
            select order_id, user_id, order_hour_of_day::int as hour,
                first_value(order_dow::int) {in_order} as first_day,
                (sum(coalesce(days_since_prior_order::double, 0)) {in_order})::int as days
            from {text_of(raw / "orders")}
        )"""
