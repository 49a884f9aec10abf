"""From a source's rows to a contract's: values, faults and rules, worked out by hand."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from source_rows import GOOD, Rows, declared, one, source

from pipelines.contracts import CONTRACTS, EVENTS
from pipelines.contracts.arrow import PROVENANCE, schema_with_provenance
from pipelines.sources.declaration import SourceError
from pipelines.sources.mapping import map_chunk


def test_map_chunk__gives_the_contracts_rows_in_order() -> None:
    table = pa.Table.from_pylist([GOOD, GOOD | {"id": "2", "user": None, "pieces": ""}])
    result = map_chunk(Rows(table, first_row=501), source(), "events")
    assert result.schema == schema_with_provenance(EVENTS)
    first, second = result.to_pylist()
    assert {name: first[name] for name in ("event_id", "event_type", "user_id", "item_id", "quantity", "value")} == {
        "event_id": "1", "event_type": "purchase", "user_id": "7", "item_id": "00123", "quantity": 2.0, "value": 4.5,
    }  # fmt: skip
    assert first["occurred_at"] == datetime(2024, 5, 1, 8, tzinfo=UTC)
    assert first["ingested_at"] is None
    assert [first[name] for name in PROVENANCE] == [None, "orders.csv, row 501", None]
    assert (second["user_id"], second["quantity"], second["fault"]) == (None, None, None)
    assert second["origin"] == "orders.csv, row 502"


@pytest.mark.parametrize(
    ("written", "decimal", "number"),
    [
        ("1.234,50 €", ",", 1234.5),
        ("€ 12", ",", 12.0),
        ("-€3,20", ",", -3.2),
        ("€-3,20", ",", -3.2),
        ("3,20-", ",", -3.2),
        ("(1.003,20)", ",", -1003.2),
        ("($1,003.20)", ".", -1003.2),
        ("US$ 7.5", ".", 7.5),
        ("7.50 USD", ".", 7.5),
        ("CHF 1'234.50", ".", 1234.5),
        ("CHF 1\u2019234.50", ".", 1234.5),
        ("1\u202f234,5", ",", 1234.5),
        ("1\u00a0234,5\u00a0€", ",", 1234.5),
        ("12,34,567.8", ".", 1234567.8),
        ("\u22124,5", ",", -4.5),
        ("kr 1.500", ",", 1500.0),
        (",5", ",", 0.5),
        ("+5", ",", 5.0),
        ("0", ",", 0.0),
    ],
)
def test_map_chunk__reads_amounts_as_people_write_them(written: str, decimal: str, number: float) -> None:
    row = one({"value": {"from": "total", "decimal": decimal}}, {"total": written})
    assert (row["value"], row["fault"]) == (number, None)


@pytest.mark.parametrize(
    ("written", "decimal"),
    [
        ("1.23", ","),  # a decimal point where the mapping says comma: 123 would be wrong by 100
        ("1,5", "."),
        ("12 kg", "."),
        ("free", ","),
        ("(5", ","),
        ("5)", ","),
        ("--5", ","),
        ("-5-", ","),
        ("1,2,3", ","),
        ("€", ","),
        ("inf", "."),
        ("1.234.5", ","),
    ],
)
def test_map_chunk__refuses_amounts_that_could_mean_something_else(written: str, decimal: str) -> None:
    row = one({"value": {"from": "total", "decimal": decimal}}, {"total": written})
    assert row["value"] is None
    assert (
        row["fault"] == f"unreadable: value: expected a number with decimal \"{decimal}\", found '{written}'"
    )


@pytest.mark.parametrize(
    ("written", "number"),
    [("1e3", 1000.0), (" 7 ", 7.0), ("-.5", -0.5), ("007", 7.0), ("", None), ("NaN", None)],
)
def test_map_chunk__reads_plain_numbers(written: str | None, number: float | None) -> None:
    row = one({}, {"total": written})
    assert (row["value"], row["fault"]) == (number, None)


@pytest.mark.parametrize("written", ["inf", "-Infinity", "1e999", "0x10", "1_000", "1,000", "$5"])
def test_map_chunk__refuses_what_is_no_plain_number(written: str) -> None:
    assert one({}, {"total": written})["fault"] == (
        f"unreadable: value: expected a plain number such as 1234.5, found '{written}'"
    )


def test_map_chunk__reads_typed_numbers_without_going_through_text() -> None:
    table = pa.table(
        {name: [value] * 3 for name, value in GOOD.items() if name != "total"}
        | {"total": pa.array([0.1, float("nan"), float("inf")])}
    )
    shop = source({"value": {"from": "total", "decimal": ","}})
    first, second, third = map_chunk(Rows(table), shop, "events").to_pylist()
    assert (first["value"], second["value"], second["fault"]) == (0.1, None, None)
    assert third["fault"].startswith("unreadable: value: expected a number")


def test_map_chunk__multiplies_price_by_pieces() -> None:
    times = {"value": {"from": "price", "times": "pieces", "decimal": ","}}
    assert one(times, {"price": "2,55", "pieces": "3"})["value"] == 7.65
    assert one(times, {"price": "2,55", "pieces": None})["value"] is None
    assert (
        "expected a number with decimal \",\", found '3.1.2'"
        in one(times, {"price": "1", "pieces": "3.1.2"})["fault"]
    )


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array(["007", "0x1", " a "]), ["007", "0x1", " a "]),
        (pa.array(["12", "1.0", "1e3"]), ["12", "1.0", "1e3"]),
        (pa.array([1.0, 2.5, None]), ["1", "2.5", None]),
        (pa.array([1.0, float("nan"), 4503599627370497.0]), ["1", None, "4503599627370497"]),
        (pa.array([7, -1, 2**63 - 1]), ["7", "-1", str(2**63 - 1)]),
        (pa.array(["a", "", None]).dictionary_encode(), ["a", None, None]),
        (pa.nulls(3), [None, None, None]),
    ],
)
def test_map_chunk__keeps_ids_as_they_are(ids: pa.Array, expected: list[str | None]) -> None:
    table = pa.table({name: [value] * 3 for name, value in GOOD.items() if name != "item"} | {"item": ids})
    result = map_chunk(Rows(table), source(), "events")
    assert (result["item_id"].to_pylist(), result["fault"].null_count) == (expected, 3)


def test_map_chunk__joins_and_translates() -> None:
    columns = {
        "event_id": {"join": ["order", "item"], "with": "/"},
        "event_type": {"from": "action", "names": {"buy": "purchase", "seen": "view", "ping": ""}},
        "store_id": {"from": "shop", "names": {"1": "north"}, "others": "keep"},
        "campaign_id": {"from": "shop", "names": {"1": "north"}, "others": "elsewhere"},
    }
    first = one(columns, {"action": "buy", "shop": "1"})
    second = one(columns, {"action": "seen", "shop": "2", "item": None})
    third = one(columns, {"action": "'; drop", "shop": None})
    assert [first[name] for name in columns] == ["o1/00123", "purchase", "north", "north"]
    assert [second[name] for name in columns] == [None, "view", "2", "elsewhere"]
    assert [third[name] for name in columns] == ["o1/00123", None, None, None]
    assert third["fault"] == "unreadable: event_type: expected one of buy, seen, ping, found '';drop'"
    assert one(columns, {"action": "ping", "shop": None})["fault"] is None


def test_map_chunk__tells_a_faulty_row_whole() -> None:
    columns = {"value": {"from": "total", "decimal": ","}}
    row = one(columns, {"total": "lots; really", "at": "soon", "order": 'say "hi" ü'})
    assert row["fault"].split("; ") == [
        "unreadable: value: expected a number with decimal \",\", found 'lots;really'",
        "unreadable: occurred_at: expected a moment as ISO 8601 with a time of day (or choose one by `at:`), "
        "found 'soon'",
    ]
    assert row["origin"] == "orders.csv, row 1"
    assert json.loads(row["original"]) == GOOD | {
        "total": "lots; really",
        "at": "soon",
        "order": 'say "hi" ü',
    }


def test_map_chunk__keeps_what_the_reader_could_not_read() -> None:
    rows = [GOOD | {"fault": None}, dict.fromkeys(GOOD) | {"fault": "unreadable: row: expected 7 cells"}]
    first, second = map_chunk(Rows(pa.Table.from_pylist(rows)), source(), "events").to_pylist()
    assert first["fault"] is None
    assert second["fault"] == "unreadable: row: expected 7 cells"
    assert "fault" not in json.loads(second["original"])


def test_map_chunk__takes_column_names_exactly() -> None:
    """To SQL, ID and id are one name, and it would not refuse "a b"."""
    table = pa.Table.from_pylist([GOOD | {"ID": "other", 'a "b" ü': "x"}])
    row = map_chunk(Rows(table), source({"item_id": "ID", "store_id": 'a "b" ü'}), "events").to_pylist()[0]
    assert (row["event_id"], row["item_id"], row["store_id"]) == ("1", "other", "x")


def test_map_chunk__names_a_missing_source_column() -> None:
    with pytest.raises(
        SourceError,
        match=r"source shop: orders.csv: events: user_id: the source has no column usr; did "
        r"you mean user\? the columns are: id, user, .*; correct sources/shop.yaml",
    ):
        one({"user_id": "usr"}, {})


def test_map_chunk__suspects_the_delimiter() -> None:
    with pytest.raises(SourceError, match="there is one column only: is `delimiter` right"):
        map_chunk(Rows(pa.table({"id;user;item": ["1;2;3"]})), source(), "events")


def test_map_chunk__takes_a_chunk_without_rows() -> None:
    table = pa.Table.from_pylist([GOOD]).slice(0, 0)
    assert map_chunk(Rows(table), source(), "events").num_rows == 0


@pytest.mark.parametrize("text", ["true", "Yes", "1", "T"])
def test_map_chunk__reads_claims(text: str) -> None:
    columns = {"item_id": "i", "title": "i", "department": "i", "recommendable": "r"}
    assert set(columns) <= set(CONTRACTS["items"].column_names)
    shop = declared("items", {"from": "i.csv", "columns": columns})
    table = pa.Table.from_pylist([{"i": "1", "r": text}, {"i": "1", "r": "no"}, {"i": "1", "r": "maybe"}])
    rows = map_chunk(Rows(table), shop, "items").to_pylist()
    assert [row["recommendable"] for row in rows] == [True, False, None]
    assert rows[2]["fault"] == "unreadable: recommendable: expected true or false, found 'maybe'"


def test_map_chunk__refuses_cells_that_are_lists() -> None:
    table = pa.table(
        {name: [value] for name, value in GOOD.items() if name != "item"} | {"item": [["a", "b"]]}
    )
    with pytest.raises(SourceError, match=r"item_id: column item holds list<.*>, expected one plain value"):
        map_chunk(Rows(table), source(), "events")
