"""A shop whose data are in PostgreSQL, a real server: history, what is new, what changed, a dead connection."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from declared_shop import DeclaredShop

from pipelines.actions.land_batch import LandRequest, land_batch
from pipelines.actions.validate_batch import ValidateResult, validate_batch
from pipelines.sources.declaration import SourceError
from pipelines.tables import read_table
from tests.releases.postgres_under_test import PostgresUnderTest

DECLARATION = """
name: little_shop
kind: database
location: ${LITTLE_SHOP_URL}
timezone: Europe/Berlin
currency: EUR
data_sets:
  events:
    from: order_lines
    watermark: updated_at
    columns:
      event_id: {join: [order_id, line]}
      event_type: {value: purchase}
      user_id: customer_id
      item_id: product_id
      basket_id: order_id
      quantity: quantity
      value: total
      occurred_at: ordered_at
    rules:
      cancelled_orders: {column: status, values: [cancelled]}
  items:
    from: SELECT id, name, shelf FROM products ORDER BY id
    columns:
      item_id: id
      title: name
      department: shelf
      recommendable: {value: "true"}
"""
TABLES = """
CREATE TABLE products (id integer PRIMARY KEY, name text, shelf text);
INSERT INTO products SELECT n, 'Product ' || n, 'shelf ' || n % 2 FROM generate_series(1, 6) AS n;
CREATE TABLE order_lines (
  order_id integer, line integer, customer_id integer, product_id integer, quantity integer, total numeric(8, 2),
  status text, ordered_at timestamptz, updated_at timestamptz, PRIMARY KEY (order_id, line));
"""
# Forty lines a day from the first Monday of 2024 on, each told when it happened.
LINES = """
INSERT INTO order_lines
SELECT extract(epoch FROM day)::integer / 3600, n, mod(n, 11), mod(n, 6) + 1, 1, 2.50, 'paid', day, day
FROM generate_series(%s::timestamptz, %s::timestamptz, '1 day') AS day, generate_series(1, 40) AS n;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresUnderTest]:
    postgres = PostgresUnderTest()
    yield postgres
    postgres.remove()


@pytest.fixture
def shop(tmp_path: Path, server: PostgresUnderTest, monkeypatch: pytest.MonkeyPatch) -> DeclaredShop:
    made = DeclaredShop(tmp_path)
    (made.settings.checkout / "sources" / "little_shop.yaml").write_text(DECLARATION)
    url = server.new_database()
    monkeypatch.setenv("LITTLE_SHOP_URL", url)
    with psycopg.connect(url) as connection:
        connection.execute(TABLES)
        connection.execute(LINES, ("2024-01-01 12:00+01", "2024-01-29 12:00+01"))
    return made


def change(sql: str, *values: object) -> None:
    with psycopg.connect(os.environ["LITTLE_SHOP_URL"]) as connection:
        connection.execute(sql, values)


def land(shop: DeclaredShop) -> ValidateResult:
    land_batch(shop.settings, LandRequest())
    return validate_batch(shop.settings)


def events(judged: ValidateResult) -> dict[str, dict[str, int]]:
    return {record.batch.batch_id: dict(record.counts.get("events", {})) for record in judged.batches}


def test_database__lands_the_history_then_only_what_is_new(shop: DeclaredShop) -> None:
    first = land(shop)
    assert events(first) == {
        "weeks-01-04": {"rows_in": 1120, "accepted": 1120, "quarantined": 0, "duplicates": 0}
    }
    assert land(shop).status == "nothing_pending", "rows at the watermark are not read twice"

    change(LINES, "2024-01-30 12:00+01", "2024-02-05 12:00+01")
    change(
        "UPDATE order_lines SET quantity = 3, updated_at = '2024-02-05 13:00+01' "
        "WHERE line = 7 AND ordered_at < '2024-01-02'"
    )
    change(
        "INSERT INTO order_lines VALUES (1, 1, 3, 3, 1, 2.5, 'paid', '2024-01-10 12:00+01', '2024-02-05 14:00+01'), "
        "(1, 2, 3, 4, 1, 2.5, 'cancelled', '2024-01-10 12:00+01', '2024-02-05 14:00+01')"
    )
    judged = events(land(shop))

    late = next(batch_id for batch_id in judged if batch_id.startswith("late-"))
    assert judged[late] == {"rows_in": 3, "accepted": 2, "quarantined": 1, "duplicates": 0}
    assert judged["week-05"] == {"rows_in": 280, "accepted": 280, "quarantined": 0, "duplicates": 0}
    (correction,) = [
        row
        for row in read_table(shop.open.landing.events_of(late)).to_pylist()
        if row["corrects"] is not None
    ]
    assert (correction["corrects"][-2:], correction["quantity"]) == ("-7", 3.0)


def test_database__that_is_gone_or_refuses_leaves_everything_as_it_was(
    shop: DeclaredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(shop)
    before = {path: path.stat().st_mtime_ns for path in shop.settings.landing.rglob("*.parquet")}
    monkeypatch.setenv("LITTLE_SHOP_URL", "postgresql://reader:s3cret@127.0.0.1:1/shop")
    with pytest.raises(SourceError) as gone:
        land_batch(shop.settings, LandRequest())
    assert "little_shop" in str(gone.value)
    assert "s3cret" not in str(gone.value)
    assert {path: path.stat().st_mtime_ns for path in shop.settings.landing.rglob("*.parquet")} == before
    monkeypatch.delenv("LITTLE_SHOP_URL")
    with pytest.raises(SourceError, match="LITTLE_SHOP_URL is not set"):
        land_batch(shop.settings, LandRequest())
