"""The adapter, against the source's own columns."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema
from pipelines.sources.complete_journey import TABLES, CompleteJourney, _installed_folder
from pipelines.volumes import week_column
from pipelines.weeks import ShopCalendar

CALENDAR = ShopCalendar(ZoneInfo("America/New_York"), date(2016, 12, 26))


@pytest.fixture(scope="module")
def year() -> dict[str, pa.Table]:
    return dict(CompleteJourney(CALENDAR).read_weeks(1, 53))


@pytest.fixture(scope="module")
def source() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(f"create view {table} as from '{_installed_folder() / table}.parquet'")
    return connection


def test_read_weeks__gives_the_contracts_schemas(year: dict[str, pa.Table]) -> None:
    assert {name: table.schema for name, table in year.items()} == {
        name: schema(CONTRACTS[name]) for name in ("events", "items", "users", "promotions", "placements")
    }


def test_read_weeks__loses_no_row(year: dict[str, pa.Table]) -> None:
    kinds = year["events"]["event_type"].value_counts().to_pylist()
    counts = {kind["values"]: kind["counts"] for kind in kinds}
    assert counts == {"purchase": 1_469_307, "redemption": 2_102}
    assert year["items"].num_rows == 92_331
    assert year["promotions"].num_rows == 116_204
    assert year["users"].num_rows == 2_469
    assert pc.count(year["users"]["age"]).as_py() == 801


def test_event_ids__are_unique(year: dict[str, pa.Table]) -> None:
    assert pc.count_distinct(year["events"]["event_id"]).as_py() == year["events"].num_rows


def test_weeks__are_those_of_the_source(year: dict[str, pa.Table], source: duckdb.DuckDBPyConnection) -> None:
    """The source counts its own weeks: ours must agree, and so its moments are UTC."""
    purchases = year["events"].filter(pc.equal(year["events"]["event_type"], "purchase"))
    ours = purchases.select(["basket_id", "item_id"]).append_column("ours", week_column(purchases, CALENDAR))
    source.register("ours", ours)
    differ = source.execute(
        "select count(*) from transactions join ours "
        "on transactions.basket_id = ours.basket_id::bigint and product_id = item_id::bigint where week <> "
        "ours"
    ).fetchone()
    assert differ == (0,)


def test_ingested_at__is_the_end_of_the_week(year: dict[str, pa.Table]) -> None:
    weeks = week_column(year["events"], CALENDAR).to_pylist()
    ends = {week: CALENDAR.end(week) for week in set(weeks)}
    assert year["events"]["ingested_at"].to_pylist() == [ends[week] for week in weeks]


def test_purchase__carries_the_source_row(year: dict[str, pa.Table]) -> None:
    first = year["events"].filter(pc.equal(year["events"]["basket_id"], "31198570044")).to_pylist()[0]
    assert (first["user_id"], first["store_id"], first["event_type"]) == ("900", "330", "purchase")
    assert first["occurred_at"] == datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC)
    assert first["event_id"] == f"p-31198570044-{first['item_id']}"


def test_redemption__is_placed_at_the_end_of_its_day(year: dict[str, pa.Table]) -> None:
    wanted = pc.equal(year["events"]["event_id"], "r-1029-51380041013-26-20170101")
    row = year["events"].filter(wanted).to_pylist()[0]
    assert row["occurred_at"] == datetime(2017, 1, 2, 4, 59, 59, tzinfo=UTC)
    assert (row["coupon_id"], row["campaign_id"], row["item_id"]) == ("51380041013", "26", None)


def test_fuel_and_coupon_lines__are_not_recommendable(year: dict[str, pa.Table]) -> None:
    items = year["items"].to_pylist()
    refused = [item for item in items if not item["recommendable"]]
    assert all(item["recommendable"] is False for item in items if "GASOLINE" in (item["type"] or ""))
    assert all(item["recommendable"] is False for item in items if item["department"] == "COUPON")
    assert {"COFFEE SHOP", "APPLES"} <= {item["category"] for item in items if item["recommendable"]}
    assert len(refused) == 741


def test_titles__are_readable(year: dict[str, pa.Table]) -> None:
    titles = {item["item_id"]: item["title"] for item in year["items"].to_pylist()}
    assert titles["25671"] == "Ice - crushed / cubed, national brand, 22 lb"
    assert titles["26081"] == "Miscellaneous, national brand"
    assert all(title[0].isupper() or not title[0].isalpha() for title in titles.values())


def test_promotions__are_known_once_their_campaign_starts(year: dict[str, pa.Table]) -> None:
    early = CompleteJourney(CALENDAR).read_weeks(2, 3)
    assert set(early["promotions"]["campaign_id"].to_pylist()) == {"24", "25", "26"}
    assert pc.max(early["promotions"]["starts_at"]).as_py() < CALENDAR.end(3)
    assert set(week_column(early["events"], CALENDAR).to_pylist()) == {2, 3}
    ends = year["promotions"].filter(pc.equal(year["promotions"]["campaign_id"], "26"))["ends_at"]
    assert pc.max(ends).as_py() == datetime(2017, 2, 20, 5, tzinfo=UTC)  # good through 19 February


def test_placements__are_the_mailers_of_the_weeks_and_of_the_next(year: dict[str, pa.Table]) -> None:
    assert year["placements"].num_rows == 164_929
    early = CompleteJourney(CALENDAR).read_weeks(2, 3)["placements"].sort_by("starts_at")
    assert pc.unique(early["starts_at"]).to_pylist() == [CALENDAR.start(week) for week in (2, 3, 4)]
    assert pc.all(pc.equal(early["announced_at"], early["starts_at"])).as_py()


def test_placement__reaches_the_stores_whose_mailer_has_the_item(
    year: dict[str, pa.Table], source: duckdb.DuckDBPyConnection
) -> None:
    row = year["placements"].slice(1000, 1).to_pylist()[0]
    _, week, product = row["placement_id"].split("-")
    found = source.execute(
        "select count(distinct store_id) filter (where product_id = ? and mailer_location <> '0'), "
        "count(distinct store_id) from promotions where week = ?",
        [int(product), int(week)],
    ).fetchone()
    assert found is not None
    assert row["reach"] == found[0] / found[1]
    assert (row["item_id"], row["channel"]) == (product, "mailer")
    assert (row["starts_at"], row["ends_at"]) == (CALENDAR.start(int(week)), CALENDAR.end(int(week)))
