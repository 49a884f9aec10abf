"""Each published data set, on a few rows in its published format: what its rows become, and that none is lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from published_rows import (
    CUSTOMER,
    DIGINETICA,
    H_AND_M,
    INSTACART,
    MOVIELENS,
    RETAILROCKET,
    UCI,
    write_amazon,
    write_plain,
    write_zip,
)

from pipelines.params import load_params
from pipelines.settings import CHECKOUT, settings
from pipelines.sources.checking import check_source
from pipelines.sources.declaration import SourceDeclaration, load_source
from pipelines.sources.mapping import map_chunk
from pipelines.sources.readers import open_reader

Row = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """A folder with published files, and the source that names it."""

    folder: Path

    def source(self, preset: str) -> SourceDeclaration:
        """A source that leaves everything to its preset."""
        path = self.folder / "shop.yaml"
        path.write_text(f"name: shop\nkind: published\nlocation: {preset}:given\n")
        return load_source(path)

    def mapped(self, preset: str) -> dict[str, pa.Table]:
        """All rows of each data set, after mapping."""
        source = self.source(preset)
        reader = open_reader(source, self.folder)
        return {
            name: pa.concat_tables(
                map_chunk(chunk, source, name)
                for piece in reader.pieces(mapping)
                for chunk in reader.read(mapping, piece, None, 2)
            )
            for name, mapping in source.data_sets.items()
        }

    def counts(self, preset: str) -> dict[str, tuple[int, int, int, int, int]]:
        """Of each data set: rows, accepted, duplicates, set aside, quarantined, to be held against the file."""
        limits = load_params(CHECKOUT / "params.yaml").validate_data
        found = check_source(
            self.source(preset), self.folder, limits, datetime(2026, 1, 1, tzinfo=UTC), lambda _: None
        )
        return {
            one.name: (
                one.counts.rows,
                one.counts.accepted,
                one.counts.duplicates,
                one.counts.set_aside,
                one.counts.quarantined,
            )
            for one in found.data_sets
        }


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("SHOPLOOP_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield Shop(tmp_path)
    settings.cache_clear()


def rows_of(table: pa.Table) -> list[Row]:
    """Rows without what is empty and without provenance, in the order of their first column."""
    plain = table.drop_columns(["origin", "original"])
    rows = [{name: value for name, value in row.items() if value is not None} for row in plain.to_pylist()]
    return sorted(rows, key=lambda row: str(next(iter(row.values()))))


def test_uci__cancellations_guests_returns_and_stock_corrections(shop: Shop) -> None:
    write_plain(shop.folder / "given", {"data.csv": UCI})
    tables = shop.mapped("uci_online_retail")

    events = rows_of(tables["events"])
    assert [row.get("fault") for row in events if row["event_id"].startswith("C")] == [
        "declared: cancelled_order"
    ]
    assert [row.get("fault") for row in events if row.get("item_id") in ("22139", "21777")] == [
        "declared: where"
    ] * 2
    assert [row for row in events if row["event_id"].startswith("536590")] == [
        {
            "event_id": "536590-71053--2-3.39-12/1/2010 17:00",
            "event_type": "return",
            "user_id": "17850",
            "item_id": "71053",
            "basket_id": "536590",
            "quantity": 2.0,
            "value": 6.78,
            "occurred_at": datetime(2010, 12, 1, 17, 0, tzinfo=UTC),
        }
    ]
    assert {row["user_id"] for row in events if row.get("basket_id") == "536544"} == {"guest-536544"}
    items = {row["item_id"]: row for row in rows_of(tables["items"]) if "fault" not in row}
    assert items["21773"]["title"] == "DECORATIVE ROSE BATHROOM, BOTTLE"
    assert (items["DOT"]["recommendable"], items["85123A"]["recommendable"]) == (False, True)
    # Events: 10 lines, of which a repeated one, three set aside and one with "ten" pieces.
    assert shop.counts("uci_online_retail")["events"] == (10, 5, 1, 3, 1)


def test_uci__as_a_spreadsheet_program_saves_the_workbook(shop: Shop) -> None:
    line = "536365,85123A,CAF\xc9 HOLDER,6,2010-12-01 08:26:00,2.55,17850,France"
    (shop.folder / "given").mkdir()
    header = UCI.splitlines()[0]
    (shop.folder / "given" / "Online Retail.csv").write_bytes(f"{header}\r\n{line}\r\n".encode("cp1252"))
    tables = shop.mapped("uci_online_retail")
    assert tables["events"]["occurred_at"].to_pylist() == [datetime(2010, 12, 1, 8, 26, tzinfo=UTC)]
    assert tables["items"]["title"].to_pylist() == ["CAF\xc9 HOLDER"]


def test_retailrocket__events_and_the_newest_properties(shop: Shop) -> None:
    write_zip(shop.folder / "given" / "archive.zip", RETAILROCKET)
    tables = shop.mapped("retailrocket")

    events = [row for row in rows_of(tables["events"]) if row.get("user_id") == "257597"]
    assert [row["event_type"] for row in events] == ["cart", "purchase", "view", "view"]
    assert events[1] == {
        "event_id": "257597-transaction-355908-1433221500000",
        "event_type": "purchase",
        "user_id": "257597",
        "item_id": "355908",
        "basket_id": "4000",
        "quantity": 1.0,
        "occurred_at": datetime(2015, 6, 2, 5, 5, tzinfo=UTC),
    }
    assert events[2]["occurred_at"] == datetime(2015, 6, 2, 5, 2, 12, 117000, tzinfo=UTC)
    assert rows_of(tables["items"]) == [
        {
            "item_id": "206783",
            "title": "206783",
            "department": "5555",
            "category": "5555",
            "recommendable": True,
        },
        {
            "item_id": "355908",
            "title": "355908",
            "department": "7",
            "category": "1338",
            "recommendable": False,
        },
        {"item_id": "999999", "title": "999999", "department": "unknown", "recommendable": True},
    ]
    assert shop.counts("retailrocket") == {"events": (6, 4, 1, 0, 1), "items": (3, 3, 0, 0, 0)}


def test_movielens__ratings_and_first_genres(shop: Shop) -> None:
    write_zip(shop.folder / "given" / "ml-latest-small.zip", MOVIELENS)
    tables = shop.mapped("movielens")

    assert rows_of(tables["events"])[0] == {
        "event_id": "1-1-964982703",
        "event_type": "rating",
        "user_id": "1",
        "item_id": "1",
        "value": 4.0,
        "occurred_at": datetime(2000, 7, 30, 18, 45, 3, tzinfo=UTC),
    }
    items = rows_of(tables["items"])
    assert [(row["title"], row["department"]) for row in items] == [
        ("Toy Story (1995)", "Adventure"),
        ("American President, The (1995)", "Comedy"),
        ("Nameless", "(no genres listed)"),
    ]
    assert shop.counts("movielens") == {"events": (3, 2, 0, 0, 1), "items": (3, 3, 0, 0, 0)}


def test_instacart__moments_from_the_days_between_orders(shop: Shop) -> None:
    """Monday is 2 days after order_dow 0: Tuesday 3 January 2017, 8 in New York; 15 days later; 14 days later."""
    write_plain(shop.folder / "given", INSTACART)
    tables = shop.mapped("instacart")

    moments = {row["event_id"]: row.get("occurred_at") for row in rows_of(tables["events"])}
    assert moments == {
        "2539329-196": datetime(2017, 1, 3, 13, tzinfo=UTC),
        "2539329-14084": datetime(2017, 1, 3, 13, tzinfo=UTC),
        "2398795-196": datetime(2017, 1, 18, 12, tzinfo=UTC),
        "1187899-196": datetime(2017, 2, 1, 13, tzinfo=UTC),
        "404404-196": None,
    }
    assert rows_of(tables["items"])[0] == {
        "item_id": "14084",
        "title": "Organic Unsweetened Vanilla Almond Milk, Large",
        "department": "dairy eggs",
        "category": "soy lactosefree",
        "recommendable": True,
    }
    # The line of an order that is nowhere is kept, and quarantined.
    assert shop.counts("instacart") == {"events": (5, 4, 0, 0, 1), "items": (2, 2, 0, 0, 0)}


def test_instacart__as_kaggle_packs_it(shop: Shop) -> None:
    """An archive of archives; what is read does not change from one reading to the next."""
    outer = {}
    for name, text in INSTACART.items():
        write_zip(shop.folder / "inner.zip", {f"__MACOSX/{name}": "", name: text})
        outer[f"{name}.zip"] = (shop.folder / "inner.zip").read_bytes()
    write_zip(shop.folder / "given" / "instacart-market-basket-analysis.zip", outer)  # type: ignore[arg-type]

    source = shop.source("instacart")
    first = open_reader(source, shop.folder).pieces(source.data_sets["events"])
    again = open_reader(source, shop.folder).pieces(source.data_sets["events"])
    assert first == again
    assert shop.counts("instacart")["events"] == (5, 4, 0, 0, 1)


def test_h_and_m__equal_rows_are_pieces(shop: Shop) -> None:
    for name, text in H_AND_M.items():
        write_zip(shop.folder / "given" / f"{name}.zip", {name: text})
    tables = shop.mapped("h_and_m")

    first, second = rows_of(tables["events"])
    assert first == {
        "event_id": f"2018-09-20-{CUSTOMER}-0108775015-0.0508305084745762-2",
        "event_type": "purchase",
        "user_id": CUSTOMER,
        "item_id": "0108775015",
        "basket_id": f"2018-09-20-{CUSTOMER}-2",
        "quantity": 2.0,
        "value": 0.101661,
        "occurred_at": datetime(2018, 9, 20, 21, 59, 59, tzinfo=UTC),
    }
    assert (second["quantity"], second["store_id"]) == (1.0, "store")
    assert rows_of(tables["items"]) == [
        {
            "item_id": "0108775015",
            "title": "Strap top",
            "department": "Ladieswear",
            "category": "Garment Upper body",
            "type": "Vest top",
            "recommendable": True,
        }
    ]
    assert rows_of(tables["users"]) == [{"user_id": CUSTOMER, "age": "49"}]
    assert shop.counts("h_and_m")["events"] == (2, 2, 0, 0, 0)


def test_diginetica__sessions_orders_and_searches(shop: Shop) -> None:
    write_zip(shop.folder / "given" / "dataset-train-diginetica.zip", DIGINETICA)
    tables = shop.mapped("diginetica")

    bought, *views = rows_of(tables["events"])
    assert bought == {
        "event_id": "p-150-17100868-81766-16421",
        "event_type": "purchase",
        "user_id": "18278",
        "item_id": "81766",
        "basket_id": "16421",
        "quantity": 1.0,
        "value": 1024.0,
        "occurred_at": datetime(2016, 5, 6, 4, 45, 0, 868000, tzinfo=UTC),
    }
    assert {row["user_id"] for row in views} == {"session-1", "77"}
    assert rows_of(tables["items"]) == [
        {"item_id": "31331", "title": "31331", "department": "unknown", "recommendable": True},
        {"item_id": "81766", "title": "4875,776,56689", "department": "1096", "recommendable": True},
    ]
    searched, browsed = rows_of(tables["queries"])
    assert browsed["fault"] == "declared: where"
    assert searched == {
        "query_id": "1",
        "user_id": "session-1",
        "text": "16655,244087",
        "results": 3.0,
        "clicked_item_id": "71",
        "clicked_position": 2.0,
        "occurred_at": datetime(2016, 5, 9, 4, 32, 7, 74000, tzinfo=UTC),
    }
    assert shop.counts("diginetica") == {
        "events": (5, 3, 1, 0, 1),
        "items": (2, 2, 0, 0, 0),
        "queries": (2, 1, 0, 1, 0),
    }


def test_amazon__reviews_are_reviews_and_ratings(shop: Shop) -> None:
    write_amazon(shop.folder / "given")
    tables = shop.mapped("amazon_reviews_2023")

    rating = rows_of(tables["events"])[-1]
    assert rating == {
        "event_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ-B00YQ6X8EO-1588687728923",
        "event_type": "rating",
        "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
        "item_id": "B00YQ6X8E0",
        "value": 5.0,
        "occurred_at": datetime(2020, 5, 5, 14, 8, 48, 923000, tzinfo=UTC),
    }
    assert rows_of(tables["reviews"])[-1] == {
        "review_id": rating["event_id"],
        "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
        "item_id": "B00YQ6X8E0",
        "rating": 5.0,
        "title": "Such a lovely scent",
        "text": "This spray is really nice.\nNot overpowering.",
        "helpful_votes": 2.0,
        "verified_purchase": True,
        "occurred_at": rating["occurred_at"],
    }
    assert rows_of(tables["items"]) == [
        {
            "item_id": "B00YQ6X8E0",
            "title": "Herbivore Sea Mist",
            "department": "All Beauty",
            "brand": "Herbivore Botanicals",
            "recommendable": True,
        },
        {
            "item_id": "B07PNNCSP9",
            "title": "B07PNNCSP9",
            "department": "Beauty",
            "category": "Hair Care",
            "type": "Shampoo",
            "recommendable": True,
        },
    ]
    # A rating of nought fits an event, but no review, whose scale begins at 1.
    assert shop.counts("amazon_reviews_2023") == {
        "events": (3, 2, 1, 0, 0),
        "reviews": (3, 1, 1, 0, 1),
        "items": (2, 2, 0, 0, 0),
    }
