"""What a person can look up of the features, and that every header is whole."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import app
from pipelines.contracts import CONTRACTS
from pipelines.features.catalog import BUILT, Catalog, UnknownFeatureError, faults_of, find_built, words_for
from pipelines.features.lineage import MOMENT, reads_of, refuse_beyond_reach
from pipelines.features.views import FeatureError, read_view
from pipelines.settings import CHECKOUT, settings
from tests.features.tiny_shop import VIEWS

LINES = """-- Lines.
-- key: user_id
SELECT bought.user_id, bought.basket, COUNT(*) AS lines, SUM(bought.worth) AS worth
FROM (SELECT user_id, DENSE_RANK() OVER (ORDER BY occurred_us) AS basket, value - discount AS worth
      FROM known_events WHERE event_type = 'purchase') AS bought
GROUP BY bought.user_id, bought.basket
"""
SHOPPERS = """-- Shoppers.
-- key: user_id
WITH ended AS (SELECT item_id, MAX(ends_us) AS ends_us FROM known_promotions GROUP BY item_id),
seen AS (SELECT user_id FROM lines UNION SELECT user_id FROM users)
SELECT
    seen.user_id,
    users.income,
    one.worth / other.lines AS worth,
    moment.week - 1 AS last_week,
    ended.ends_us,
    counted.shoppers,
    1 AS one
FROM seen CROSS JOIN moment CROSS JOIN ended
LEFT JOIN lines AS one ON seen.user_id = one.user_id
LEFT JOIN lines AS other ON seen.user_id = other.user_id
LEFT JOIN users ON seen.user_id = users.user_id
CROSS JOIN (SELECT COUNT(*) AS shoppers FROM seen) AS counted
"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(VIEWS)


def a_catalog(folder: Path, **views: str) -> Catalog:
    for name, sql in views.items():
        (folder / f"{name}.sql").write_text(sql)
    return Catalog(views, folder)


@pytest.mark.parametrize("name", VIEWS)
def test_view__its_header_is_whole_and_reads_what_comes_before(name: str, catalog: Catalog) -> None:
    before = {*VIEWS[: VIEWS.index(name)], "known_events", "known_promotions", "items", "users", MOMENT}
    assert catalog.faults(name) == []
    assert set(reads_of(catalog.view(name))) <= before


@pytest.mark.parametrize("name", VIEWS)
def test_lineage__ends_at_columns_of_the_contracts(name: str, catalog: Catalog) -> None:
    lineage = catalog.feature(name).lineage
    known = {
        f"{contract.name}.{column}" for contract in CONTRACTS.values() for column in contract.column_names
    }
    known |= {f"{name}.*" for name in CONTRACTS} | {MOMENT}
    assert list(lineage) == list(catalog.view(name).columns)
    assert {column for column, origins in lineage.items() if not origins} == set()
    assert {origin for origins in lineage.values() for origin in origins} <= known


def test_lineage__goes_through_views_aliases_unions_and_counts(tmp_path: Path) -> None:
    catalog = a_catalog(tmp_path, lines=LINES, shoppers=SHOPPERS)
    assert catalog.feature("lines").lineage == {
        "user_id": ("events.user_id",),
        "basket": ("events.occurred_at",),
        "lines": ("events.*",),
        "worth": ("events.discount", "events.value"),
    }
    shoppers = catalog.feature("shoppers")
    assert shoppers.reads == ("known_promotions", "lines", "moment", "users")
    assert shoppers.lineage == {
        "user_id": ("events.user_id", "users.user_id"),
        "income": ("users.income",),
        "worth": ("events.*", "events.discount", "events.value"),
        "last_week": ("moment",),
        "ends_us": ("promotions.ends_at",),
        "shoppers": ("events.*", "users.*"),
        "one": (),
    }


def test_lineage__an_unknown_column_names_the_view(tmp_path: Path) -> None:
    catalog = a_catalog(tmp_path, bad="-- key: user_id\nSELECT shoe_size FROM known_events")
    with pytest.raises(FeatureError, match=r"bad\.sql: its columns cannot be traced.*shoe_size"):
        catalog.feature("bad")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("-- key: user_id\nSELEC user_id FROM users", "cannot be parsed"),
        ("-- key: a\nDROP TABLE users", "DROP"),
    ],
)
def test_catalog__what_is_no_select_names_the_view(tmp_path: Path, sql: str, says: str) -> None:
    with pytest.raises(FeatureError, match=rf"bad\.sql.*{says}"):
        a_catalog(tmp_path, bad=sql).feature("bad")


def test_faults_of__names_each_line_to_write(tmp_path: Path) -> None:
    header = "-- key: user_id, day\n-- column gone: it was here\n-- column week:\n"
    (tmp_path / "bad.sql").write_text(f"{header}SELECT user_id, week FROM known_events")
    assert faults_of(read_view("bad", tmp_path)) == [
        "say above `-- key:` what a row is",
        "say how far back it looks: add a line `-- windows: …` below the key",
        "add a line `-- column user_id: meaning, unit`",
        "add a line `-- column week: meaning, unit`",
        "remove the line of column gone, which the SELECT does not give",
        "the key column day is not in the SELECT",
    ]


@pytest.mark.parametrize(
    "table",
    ["events", "read_parquet('data/validated/events.parquet')", "'data/validated/events.parquet'", "later"],
)
def test_faults__names_a_table_beyond_its_reach(tmp_path: Path, table: str) -> None:
    head = "-- A.\n-- key: user_id\n-- windows: all\n-- column user_id: who\n"
    views = {
        "bad": f"{head}SELECT found.user_id FROM {table} AS found CROSS JOIN moment",
        "later": f"{head}SELECT user_id FROM users",
    }
    catalog = a_catalog(tmp_path, **views)
    (fault,) = catalog.faults("bad")
    assert len(catalog.feature("bad").lineage["user_id"]) == 1  # it can still be shown
    assert fault.startswith("it reads ")
    assert table.strip("'").lower() in fault.lower()
    assert fault.endswith(
        "read known_events, items, users, known_promotions, moment or a view named before it only"
    )
    assert catalog.faults("later") == []
    with pytest.raises(FeatureError, match=r"bad\.sql: it reads "):
        refuse_beyond_reach(list(catalog.views.values()))
    refuse_beyond_reach([catalog.view("later")])


def test_words_for__counts_columns_and_the_moment() -> None:
    assert words_for(("events.*", "events.value", MOMENT)) == "rows of events, events.value, the moment"
    assert words_for(()) == "nothing that was landed"


def test_catalog__an_unknown_name_gives_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UnknownFeatureError, match=r"'item_trend'; the nearest: item_trends, item_"):
        catalog.view("item_trend")
    with pytest.raises(UnknownFeatureError, match=r"'qqq'; there are: basket_lines, households"):
        catalog.view("qqq")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout with a home beside it, in which nothing was built."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "params.yaml").write_text((CHECKOUT / "params.yaml").read_text())
    monkeypatch.setenv("SHOPLOOP_CHECKOUT", str(checkout))
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def write_built(folder: Path, run: str, age: float = 0) -> Path:
    built = folder / BUILT
    built.mkdir(parents=True)
    rows = [(user, item, run) for user in ("ann", "bob") for item in ("eggs", "milk")]
    columns = dict(zip(("user_id", "item_id", "run"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), built / "household_items.parquet")
    os.utime(built, (1_000_000 - age, 1_000_000 - age))
    return built / "household_items.parquet"


def shoploop(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["features", *arguments])


def test_find_built__the_checkout_goes_before_the_newest_run(places: Path) -> None:
    runs, checkout = places / "home" / "workspaces", places / "checkout"
    with pytest.raises(FeatureError, match=r"no features are built.*`shoploop run` or `make repro`"):
        find_built(checkout, runs, "household_items")
    write_built(runs / "z-older", "older", age=9)
    newest = write_built(runs / "a-newer", "newer")
    assert find_built(checkout, runs, "household_items") == newest
    own = write_built(checkout, "own", age=99)
    assert find_built(checkout, runs, "household_items") == own
    with pytest.raises(FeatureError, match=r"item_trends\.parquet is missing: item_trends was not built"):
        find_built(checkout, runs, "item_trends")


def test_features_sample__rows_of_a_shopper_and_an_item_in_order(places: Path) -> None:
    path = write_built(places / "checkout", "own")
    ann = json.loads(shoploop("sample", "household_items", "--user", "ann", "--json").stdout)
    one = shoploop("sample", "household_items", "--user", "bob", "--item", "milk")
    assert ann == {
        "file": str(path),
        "rows": [{"user_id": "ann", "item_id": item, "run": "own"} for item in ("eggs", "milk")],
    }
    assert [line.split() for line in one.stdout.splitlines()[1:]] == [
        ["user_id", "item_id", "run"],
        ["bob", "milk", "own"],
    ]
    assert len(json.loads(shoploop("sample", "household_items", "--rows", "3", "--json").stdout)["rows"]) == 3
    assert "No row, user_id = eve" in shoploop("sample", "household_items", "--user", "eve").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "household_item"), "the nearest: household_items"),
        (("sample", "household_item"), "the nearest: household_items"),
        (("sample", "item_trends"), "no features are built"),
    ],
)
def test_features__what_is_not_there_ends_with_2_and_a_remedy(
    places: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = shoploop(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_features_sample__a_column_that_is_not_there(places: Path) -> None:
    built = write_built(places / "checkout", "own").parent
    pq.write_table(pa.table({"user_id": ["ann"], "baskets": [1]}), built / "households.parquet")
    done = shoploop("sample", "households", "--item", "milk")
    assert done.exit_code == 2
    assert "households has no column item_id, by which to choose; it has: user_id, baskets" in done.stderr


def test_features_list__every_view_with_what_the_header_says(places: Path, catalog: Catalog) -> None:
    listed = json.loads(shoploop("list", "--json").stdout)
    said = shoploop("list").stdout
    view = catalog.view("item_trends")
    assert [row["name"] for row in listed] == list(VIEWS)
    assert listed[VIEWS.index("item_trends")] == {
        "name": "item_trends",
        "meaning": view.meaning,
        "key": ["item_id"],
        "windows": view.windows,
        "columns": list(view.columns),
    }
    assert "item_trends: Whether an item is new, rising or fading" in said


def test_features_show__lineage_and_sql(places: Path) -> None:
    shown = json.loads(shoploop("show", "household_brands", "--json").stdout)
    said = shoploop("show", "household_brands").stdout
    (interest,) = [column for column in shown["columns"] if column["name"] == "interest"]
    assert shown["reads"] == ["household_items", "items"]
    assert interest["from"] == ["events.occurred_at", "moment"]
    assert "  brand: the brand, as the catalog says it\n      from items.brand" in said
    assert "\nWITH whole AS (" in said
    assert "-- key" not in said
