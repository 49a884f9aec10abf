"""`shoploop source add`: what it guesses of exports in several shapes."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from messy_shop import write_shop
from typer.testing import CliRunner, Result

from pipelines.cli import app
from pipelines.settings import settings
from pipelines.sources.declaration import DataSetMapping, SourceDeclaration, load_source
from pipelines.sources.guesses import decimal_sign, moment_formats


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty checkout."""
    monkeypatch.setenv("SHOPLOOP_CHECKOUT", str(tmp_path))
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    (tmp_path / "data").mkdir()
    yield tmp_path
    settings.cache_clear()


def add(*options: str) -> Result:
    return CliRunner().invoke(app, ["source", "add", "corner", *options])


def added(checkout: Path, *options: str) -> SourceDeclaration:
    result = add("--timezone", "Europe/Berlin", "--currency", "EUR", *options)
    assert result.exit_code == 0, result.output
    return load_source(checkout / "sources" / "corner.yaml")


def made(mapping: DataSetMapping) -> dict[str, object]:
    return {name: column.model_dump(exclude_defaults=True) for name, column in mapping.columns.items()}


def test_add__guesses_a_messy_export(checkout: Path) -> None:
    write_shop(checkout / "shop")
    source = added(checkout, "--location", "shop/exports")
    events, items = source.data_sets["events"], source.data_sets["items"]
    assert (source.kind, source.location) == ("files", "shop/exports")
    assert (events.from_, events.encoding, events.delimiter) == ("orders-*.csv", "mixed", ";")
    assert made(events) == {
        "event_id": {"join": ("Bestellung", "Zeile")},
        "event_type": {"value": "purchase"},
        "user_id": {"from_": "Kunde"},
        "item_id": {"from_": "Artikel"},
        "basket_id": {"from_": "Bestellung"},
        "quantity": {"from_": "Menge"},
        "value": {"from_": "Summe", "decimal": ","},
        "occurred_at": {"from_": "Bestellt am", "format": ("%d.%m.%Y %H:%M",)},
    }
    assert events.rules.cancelled_orders is not None
    assert (events.rules.cancelled_orders.column, events.rules.cancelled_orders.values) == (
        "Status",
        ("storniert",),
    )
    assert (events.rules.guests, events.rules.returns) == (
        "give_each_basket_its_own_shopper",
        "become_return_events",
    )
    assert (items.from_, items.columns["item_id"].from_, items.columns["title"].from_) == (
        "products.csv",
        "sku",
        "title",
    )


def test_add__guesses_one_file_of_invoice_lines(checkout: Path) -> None:
    """The columns of UCI Online Retail: the catalog has to come from the same lines."""
    (checkout / "data" / "retail.csv").write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "536365,85123A,WHITE HANGING HEART,6,12/1/2010 8:26,2.55,17850,United Kingdom\n"
        "C536379,D,Discount,-1,12/13/2010 9:41,27.5,,United Kingdom\n"
    )
    source = added(checkout, "--location", "data", "--from", "retail.csv")
    events, items = source.data_sets["events"], source.data_sets["items"]
    assert made(events) == {
        "event_id": {"join": ("InvoiceNo", "CustomerID", "StockCode", "InvoiceDate")},
        "event_type": {"value": "purchase"},
        "user_id": {"from_": "CustomerID"},
        "item_id": {"from_": "StockCode"},
        "basket_id": {"from_": "InvoiceNo"},
        "quantity": {"from_": "Quantity"},
        "value": {"from_": "UnitPrice", "times": "Quantity"},
        "occurred_at": {"from_": "InvoiceDate", "format": ("%m/%d/%Y %H:%M",)},
    }
    assert events.rules.cancelled_orders is not None
    assert (events.rules.cancelled_orders.column, events.rules.cancelled_orders.prefix) == ("InvoiceNo", "C")
    assert (items.from_, items.columns["title"].from_, items.keep_last) == ("retail.csv", "Description", True)


def test_add__guesses_a_log_of_clicks(checkout: Path) -> None:
    """The columns of RetailRocket, as JSON lines."""
    rows = [
        {
            "timestamp": 1433221332117,
            "visitorid": 257597,
            "event": "view",
            "itemid": 355908,
            "transactionid": None,
        },
        {
            "timestamp": 1433224214164,
            "visitorid": 992329,
            "event": "addtocart",
            "itemid": 248676,
            "transactionid": None,
        },
        {
            "timestamp": 1433222276276,
            "visitorid": 599528,
            "event": "transaction",
            "itemid": 356475,
            "transactionid": 4,
        },
    ]
    (checkout / "data" / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    events = added(checkout, "--location", "data").data_sets["events"]
    assert events.columns["event_type"].names == {
        "view": "view",
        "addtocart": "cart",
        "transaction": "purchase",
    }
    assert events.columns["occurred_at"].format == ("epoch_millis",)
    assert events.columns["basket_id"].from_ == "transactionid"
    assert events.columns["quantity"].value == "1"


def test_add__guesses_the_tables_of_a_database(checkout: Path) -> None:
    with closing(sqlite3.connect(checkout / "shop.db")) as database:
        database.execute("create table orders (order_id, line, customer_id, sku, qty, total, created_at)")
        database.execute("insert into orders values (1, 1, 7, 'a', 2, 4.5, '2024-05-01 10:00:00')")
        database.execute("create table products (sku, name, category)")
        database.execute("insert into products values ('a', 'Apple', 'Fruit')")
        database.execute("create table customers (customer_id)")
        database.execute("insert into customers values (7)")
        database.commit()
    source = added(checkout, "--location", f"sqlite:///{checkout / 'shop.db'}")
    assert source.kind == "database"
    assert {name: mapping.from_ for name, mapping in source.data_sets.items()} == {
        "events": "orders", "items": "products", "users": "customers",
    }  # fmt: skip
    assert source.data_sets["events"].columns["event_id"].join == ("order_id", "line")


def test_add__says_that_day_and_month_cannot_be_told_apart(checkout: Path) -> None:
    (checkout / "data" / "o.csv").write_text("order_id,customer_id,sku,date\n1,7,a,03/04/2024 10:00\n")
    added(checkout, "--location", "data")
    text = (checkout / "sources" / "corner.yaml").read_text()
    assert 'format: "%d/%m/%Y %H:%M"}  # or %m/%d/%Y %H:%M? Both fit' in text


def test_add__names_what_it_did_not_find(checkout: Path) -> None:
    (checkout / "data" / "o.csv").write_text("order_id,sku,when\n1,a,2024-05-01T10:00:00\n")
    added(checkout, "--location", "data")
    text = (checkout / "sources" / "corner.yaml").read_text()
    assert "user_id: which_column  # no column looks like it; there are: order_id, sku, when" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Say --location: nobody is there to be asked"),
        (["--location", "data", "--currency", "EUR"], "Say --timezone"),
        (["--location", "data", "--timezone", "UTC", "--currency", "EURO"], "did you mean EUR?"),
        (["--location", "none", "--timezone", "UTC", "--currency", "EUR"], "none"),
        (["--location", "data", "--timezone", "UTC", "--currency", "EUR"], "expected files"),
        (
            ["--location", "sqlite:///none.db", "--timezone", "UTC", "--currency", "EUR"],
            "unable to open database",
        ),
        (
            [
                "--location",
                "postgresql://me:hunter2@127.0.0.1:1/shop",
                "--timezone",
                "UTC",
                "--currency",
                "EUR",
            ],
            "the database at postgresql://me:***@127.0.0.1:1/shop cannot be read",
        ),
        (
            ["--location", "data", "--kind", "excel", "--timezone", "UTC", "--currency", "EUR"],
            "kind: expected one of",
        ),
    ],
)
def test_add__ends_without_a_file_when_something_is_wrong(
    checkout: Path, options: list[str], said: str
) -> None:
    result = add(*options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "hunter2" not in result.output
    assert not (checkout / "sources" / "corner.yaml").exists()


def test_add__overwrites_nothing(checkout: Path) -> None:
    (checkout / "sources").mkdir()
    (checkout / "sources" / "corner.yaml").write_text("mine")
    result = add("--location", "data", "--timezone", "UTC", "--currency", "EUR")
    assert (result.exit_code, "is there already" in result.stderr) == (2, True)
    assert (checkout / "sources" / "corner.yaml").read_text() == "mine"


def test_decimal_sign__is_the_one_with_which_all_amounts_can_be_read() -> None:
    assert decimal_sign(["1.234,50", "2,00"]) == ","
    assert decimal_sign(["$1,234.50", "$2.00"]) == "."
    assert decimal_sign(["1234.50", "-2"]) is None


def test_moment_formats__puts_day_first_before_month_first() -> None:
    assert moment_formats(["13/04/2024"]) == ["%d/%m/%Y"]
    assert moment_formats(["04/13/2024"]) == ["%m/%d/%Y"]
    assert moment_formats(["03/04/2024"]) == ["%d/%m/%Y", "%m/%d/%Y"]
    assert moment_formats(["2024-04-13 10:00:00", "2024-04-13"]) == ["iso"]
    assert moment_formats(["soon"]) == []
