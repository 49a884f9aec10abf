"""Versions of a contract: which change is taken, which asks for a migration, and how old rows are read."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.contracts import CONTRACTS, EVENTS, ITEMS
from pipelines.contracts.arrow import schema
from pipelines.contracts.declaration import Column, Contract, ContractError
from pipelines.contracts.samples import sample_rows
from pipelines.contracts.shapes import Shape, changes
from pipelines.contracts.versions import (
    HISTORY,
    History,
    check_recorded,
    check_versions,
    read_accepted,
    record_version,
    upgrade,
    version_of,
)
from pipelines.tables import write_table

STOCK = Contract(
    name="stock",
    meaning="How much there is.",
    version=1,
    key="item_id",
    sort_by=("item_id",),
    columns=(
        Column("item_id", "string", "The item.", "1"),
        Column("pieces", "string", "How many.", "12"),
        Column("kind", "string", "What kind.", "new", nullable=True, allowed=("new", "used")),
        Column("price", "float64", "Of one.", 2.0, nullable=True, minimum=0.0, maximum=10.0),
    ),
    batch_rules=(),
    duplicates="",
)
ROWS = pa.table({"item_id": ["1", "2"], "pieces": ["12", "7"], "kind": ["new", None], "price": [2.0, 3.0]})


def changed(name: str, **changes: object) -> Contract:
    """Version 2 of ``STOCK``, in which one column differs."""
    columns = tuple(
        replace(column, **changes) if column.name == name else column  # type: ignore[arg-type]
        for column in STOCK.columns
    )
    return replace(STOCK, version=2, columns=columns)


def without(name: str, *more: Column) -> Contract:
    kept = tuple(column for column in STOCK.columns if column.name != name)
    return replace(STOCK, version=2, columns=(*kept, *more))


def extended(column: Column) -> Contract:
    return replace(STOCK, version=2, columns=(*STOCK.columns, column))


SHELF = Column("shelf", "string", "Where.", "A", nullable=True)
TAKEN = {
    "column shelf (string, may be empty) added": extended(SHELF),
    "column pieces may be empty": changed("pieces", nullable=True),
    "column kind now allows broken": changed("kind", allowed=("new", "used", "broken")),
    "column kind now allows any value": changed("kind", allowed=()),
    "column price: range widened": changed("price", maximum=None),
}
REFUSED = {
    "column shelf (string, may not be empty) added": extended(replace(SHELF, nullable=False)),
    "column price removed": without("price"),
    "column kind removed (renamed to sort?)": without(
        "kind", Column("sort", "string", "", "", nullable=True)
    ),
    "column pieces retyped from string to float64": changed("pieces", type="float64"),
    "column kind may no longer be empty": changed("kind", nullable=False),
    "column kind no longer allows used": changed("kind", allowed=("new",)),
    "column pieces now allows only 1, 2": changed("pieces", allowed=("1", "2")),
    "column price: range narrowed": changed("price", above_minimum=True),
    "key changed from item_id to pieces": replace(STOCK, version=2, key="pieces"),
}


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Versions in which the first of ``STOCK`` is recorded."""
    (tmp_path / "migrations").mkdir()
    kept = History(tmp_path)
    assert record_version(STOCK, kept)
    return kept


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_declaration__is_recorded(contract: Contract) -> None:
    check_recorded(contract)


def test_recorded_versions__count_from_one_and_lead_to_the_declared_one() -> None:
    for name, contract in CONTRACTS.items():
        assert list(HISTORY.shapes(name)) == list(range(1, contract.version + 1))
        check = sample_rows(contract).select(list(HISTORY.shapes(name)[1].by_name()))
        assert upgrade(check, contract, 1).num_rows == 1


def test_declaration__changed_without_a_new_version_is_found(history: History) -> None:
    check_recorded(STOCK, history)
    silent = replace(extended(SHELF), version=1)
    with pytest.raises(
        ContractError, match=r"stock: .*version 1, found: column shelf .* added; set `version=2`"
    ):
        check_recorded(silent, history)
    with pytest.raises(ContractError, match=r"set `version=2` in pipelines/contracts/stock\.py"):
        record_version(silent, history)
    with pytest.raises(ContractError, match="expected version 1, the last one recorded, found version 2"):
        check_recorded(extended(SHELF), history)
    with pytest.raises(ContractError, match=r"expected version 2, .* found 3; correct `version`"):
        record_version(replace(STOCK, version=3), history)


@pytest.mark.parametrize("words", TAKEN)
def test_harmless_change__is_recorded_and_old_rows_are_read(history: History, words: str) -> None:
    contract = TAKEN[words]
    assert [(change.words, change.breaks) for change in changes(Shape.of(STOCK), Shape.of(contract))] == [
        (words, False)
    ]
    assert record_version(contract, history)
    assert not record_version(contract, history), "once"
    read = upgrade(ROWS, contract, 1, history)
    assert read.select(ROWS.column_names).equals(ROWS)
    assert read.column_names == contract.column_names


@pytest.mark.parametrize("words", REFUSED)
def test_breaking_change__is_refused_with_the_migration_to_write(history: History, words: str) -> None:
    contract = REFUSED[words]
    before = history.record("stock").read_bytes()
    with pytest.raises(ContractError) as error:
        record_version(contract, history)
    assert words in str(error.value)
    assert str(history.folder / "migrations" / "stock_1_to_2.sql") in str(error.value)
    assert "FROM accepted" in str(error.value)
    assert history.record("stock").read_bytes() == before
    with pytest.raises(ContractError, match="cannot be read from rows of version 1"):
        upgrade(ROWS, contract, 1, history)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("column pieces retyped from string to float64", {"pieces": [12.0, 7.0]}),
        ("column kind removed (renamed to sort?)", {"sort": ["new", None]}),
        ("column price removed", {"kind": ["new", None]}),
        ("column shelf (string, may not be empty) added", {"shelf": ["A", "A"]}),
        ("column kind may no longer be empty", {"kind": ["new", "A"]}),
    ],
)
def test_skeleton__is_a_migration_once_its_gaps_are_filled(
    history: History, words: str, expected: dict[str, list[object]]
) -> None:
    contract = REFUSED[words]
    with pytest.raises(ContractError) as error:
        record_version(contract, history)
    query = str(error.value).partition("\n\n")[2]
    history.migration("stock", 1).write_text(query.replace("TODO", "'A'"))
    assert record_version(contract, history)
    read = upgrade(ROWS, contract, 1, history)
    assert read.column_names == contract.column_names
    assert {name: read[name].to_pylist() for name in expected} == expected


def test_upgrade__goes_through_every_version_between(history: History) -> None:
    second = changed("pieces", type="float64")
    history.migration("stock", 1).write_text(
        "SELECT * REPLACE (CAST(pieces AS DOUBLE) AS pieces) FROM accepted"
    )
    record_version(second, history)
    third = replace(second, version=3, columns=(*second.columns, SHELF))
    record_version(third, history)
    read = upgrade(ROWS, third, 1, history)
    assert read["pieces"].to_pylist() == [12.0, 7.0]
    assert read["shelf"].to_pylist() == [None, None]


def test_migration__may_neither_drop_rows_nor_be_wrong(history: History) -> None:
    contract = changed("pieces", type="float64")
    history.migration("stock", 1).write_text("SELECT * FROM accepted WHERE price > 2")
    with pytest.raises(
        ContractError, match=r"stock_1_to_2.sql: expected 2 rows, .* found 1; a migration neither"
    ):
        upgrade(ROWS, contract, 1, history)
    history.migration("stock", 1).write_text("SELECT wrong FROM accepted")
    with pytest.raises(
        ContractError, match=r"(?s)stock_1_to_2.sql is refused by DuckDB: .*correct the migration"
    ):
        upgrade(ROWS, contract, 1, history)


def test_file__carries_the_version_it_was_accepted_under(tmp_path: Path) -> None:
    write_table(tmp_path / "events.parquet", sample_rows(EVENTS, 2))
    found = pq.read_schema(tmp_path / "events.parquet")
    assert found.metadata == {b"shoploop.contract": b"events", b"shoploop.version": b"2"}
    assert version_of(found, EVENTS) == 2
    bare = sample_rows(EVENTS).replace_schema_metadata(None)
    assert version_of(bare.schema, EVENTS) == 2
    assert version_of(bare.drop_columns(["corrects"]).schema, EVENTS) == 1, "files from before versions"


def test_read_accepted__reads_events_from_before_corrections(tmp_path: Path) -> None:
    old = sample_rows(EVENTS, 2).replace_schema_metadata(None).drop_columns(["corrects"])
    write_table(tmp_path / "events.parquet", old)
    read = read_accepted(tmp_path / "events.parquet", EVENTS)
    assert read.equals(sample_rows(EVENTS, 2))
    assert read.schema.equals(schema(EVENTS), check_metadata=True)


def test_check_versions__names_a_file_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    write_table(tmp_path / "events" / "week-1.parquet", sample_rows(EVENTS).drop_columns(["corrects"])
                .replace_schema_metadata(None))  # fmt: skip
    write_table(tmp_path / "events" / "week-2.parquet", sample_rows(EVENTS))
    write_table(tmp_path / "items.parquet", sample_rows(ITEMS))
    assert check_versions(tmp_path) == {"events": {1: 1, 2: 1}, "items": {1: 1}}
    newer = sample_rows(ITEMS).replace_schema_metadata({"shoploop.version": "7"})
    write_table(tmp_path / "items.parquet", newer)
    with pytest.raises(
        ContractError, match=r"items.parquet: items: expected rows of version 1 or older, found version"
    ):
        check_versions(tmp_path)


def test_command__says_that_every_version_is_recorded() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.contracts.versions"], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "every version is recorded")


def test_record__is_json_that_a_person_can_read() -> None:
    first, second = json.loads(HISTORY.record("events").read_text())
    names = [column["name"] for column in first["columns"]]
    assert names == [column["name"] for column in second["columns"] if column["name"] != "corrects"]


def test_stamp__leaves_the_bytes_of_equal_tables_equal(tmp_path: Path) -> None:
    moment = datetime(2017, 3, 1, tzinfo=UTC)
    rows = sample_rows(EVENTS, 3, {0: {"occurred_at": moment, "ingested_at": moment}})
    noisy = rows.replace_schema_metadata({**(rows.schema.metadata or {}), "pandas": "noise"})
    for name, table in (("a", rows), ("b", noisy)):
        write_table(tmp_path / f"{name}.parquet", table)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
