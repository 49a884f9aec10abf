"""Rows that come with a fault land like all others, and every row of every data set is accounted for."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.actions.validate_batch import BatchRefusedError, ValidateResult, validate_batch
from pipelines.contracts import APPENDED, EVENTS, PROMOTIONS, Contract
from pipelines.contracts.arrow import PROVENANCE
from pipelines.contracts.samples import sample_rows
from pipelines.landing import Batch, LandingError
from pipelines.settings import Settings
from pipelines.shop import OpenShop
from pipelines.tables import read_table, write_table

JudgeTables = Callable[..., ValidateResult]
UNREADABLE = "unreadable: quantity: expected a number, found 'two'"


@pytest.fixture
def judge(shop: OpenShop, shop_settings: Settings) -> JudgeTables:
    """Lands tables as one batch, in a present after all sample rows, and judges them."""

    def run(batch_id: str, **tables: pa.Table) -> ValidateResult:
        moment = shop.calendar.end(50).isoformat()
        kind = "posted" if batch_id.startswith("posted") else "file"
        shop.landing.land(Batch(batch_id, kind, moment, "a test"), tables)  # type: ignore[arg-type]
        return validate_batch(shop_settings)

    return run


def rows_with_faults(contract: Contract, faults: Mapping[int, str], rows: int = 100) -> pa.Table:
    """Sample rows, of which those in ``faults`` (numbered from 0) have one."""
    table = sample_rows(contract, rows)
    columns = {
        "fault": [faults.get(number) for number in range(rows)],
        "origin": [f"orders.csv, row {number + 1}" for number in range(rows)],
        "original": [faults.get(number) and '{"status": "?"}' for number in range(rows)],
    }
    assert tuple(columns) == PROVENANCE
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def test_faults__are_quarantined_with_origin_and_original_in_every_data_set(
    shop: OpenShop, judge: JudgeTables
) -> None:
    events = rows_with_faults(
        EVENTS, {3: UNREADABLE, 4: "declared: cancelled", 5: "duplicate: repeated_rows"}
    )
    promotions = rows_with_faults(PROMOTIONS, {7: "declared: tests"})
    (record,) = judge("file-a", events=events, promotions=promotions).batches
    assert record.counts == {
        "events": {"rows_in": 100, "accepted": 97, "quarantined": 2, "duplicates": 1},
        "promotions": {"rows_in": 100, "accepted": 99, "quarantined": 1, "duplicates": 0},
    }
    assert record.violations == {
        "events": {"unreadable": 1, "declared: cancelled": 1}, "promotions": {"declared: tests": 1}
    }  # fmt: skip
    kept = shop.landing.quarantined("events", "file-a").select(["row", "reason", *PROVENANCE[1:]]).to_pylist()
    assert kept[0] == {
        "row": 4, "reason": UNREADABLE, "origin": "orders.csv, row 4", "original": '{"status": "?"}'
    }  # fmt: skip
    assert read_table(shop.landing.events_of("file-a")).schema.names == EVENTS.column_names


def test_faults__that_were_declared_refuse_no_batch_and_unreadable_ones_do(
    shop: OpenShop, judge: JudgeTables
) -> None:
    """2 % may be unreadable; of half the rows it was said that they are not wanted."""
    declared = dict.fromkeys(range(50), "declared: cancelled")
    with pytest.raises(BatchRefusedError, match=r"\(2 of 50; most often unreadable: orders.csv, row 61, "):
        judge("file-a", events=rows_with_faults(EVENTS, declared | {60: UNREADABLE, 61: UNREADABLE}))
    judge("file-b", events=rows_with_faults(EVENTS, declared | {60: UNREADABLE}))
    assert [record.batch.batch_id for record in shop.landing.accepted()] == ["file-b"]


def test_bad_rows_that_come_again__are_quarantined_once(shop: OpenShop, judge: JudgeTables) -> None:
    """3 of 50 would refuse the second batch, were they not known; the judge is not asked about them either."""
    faults = {3: UNREADABLE, 4: "declared: cancelled"}
    rows = rows_with_faults(EVENTS, faults)
    zero = pa.array([0.0 if number in (7, 8) else 1.0 for number in range(100)])
    rows = rows.set_column(rows.column_names.index("quantity"), "quantity", zero)
    with pytest.raises(BatchRefusedError, match="3 of 49; most often quantity_in_range"):
        judge("file-half", events=rows.slice(0, 50))
    more = pa.concat_tables([rows, rows_with_faults(EVENTS, {}, rows=300).slice(100)])
    judge("file-a", events=more)
    (record,) = judge("file-b", events=rows.slice(0, 50)).batches
    assert record.counts["events"] == {"rows_in": 50, "accepted": 0, "quarantined": 0, "duplicates": 50}
    assert shop.landing.all_quarantined("events")["row"].to_pylist() == [4, 5, 8, 9]


def test_batch_of_nothing_but_faults__can_be_judged(judge: JudgeTables) -> None:
    (record,) = judge("file-a", events=rows_with_faults(EVENTS, {0: "declared: cancelled"}, rows=1)).batches
    assert record.counts["events"] == {"rows_in": 1, "accepted": 0, "quarantined": 1, "duplicates": 0}


def test_appended_data_sets__keep_a_file_a_batch_and_know_rows_again(
    shop: OpenShop, judge: JudgeTables
) -> None:
    judge("file-a", **{contract.name: sample_rows(contract, 2) for contract in APPENDED})
    changed = {1: {"value": 9.0}}
    events, others = (
        sample_rows(EVENTS, 3, changed),
        {contract.name: sample_rows(contract, 3) for contract in APPENDED},
    )
    (record,) = judge("posted-1-9", **(others | {"events": events})).batches
    again = {"rows_in": 3, "accepted": 1, "quarantined": 0, "duplicates": 2}
    assert record.counts.pop("events") == again | {"quarantined": 1, "duplicates": 1}
    assert record.counts == dict.fromkeys(("reviews", "impressions", "queries"), again)
    for contract in APPENDED:
        files = shop.landing.files_of(contract.name)
        assert [read_table(path).num_rows for path in files] == [2, 1]
        assert {path.parent.name for path in files} == {contract.name}


def test_known_rows__are_found_in_files_from_before_a_column_was_added(
    shop: OpenShop, judge: JudgeTables
) -> None:
    judge("file-a", events=sample_rows(EVENTS, 3))
    file = shop.landing.events_of("file-a")
    write_table(file, read_table(file).drop_columns(["store_id"]))
    known = shop.landing.known_rows("events", sample_rows(EVENTS, 2))
    assert sorted(known["event_id"].to_pylist()) == sorted(sample_rows(EVENTS, 2)["event_id"].to_pylist())
    assert known["store_id"].null_count == 2


def test_quarantined__reads_files_from_before_origins_were_kept(shop: OpenShop) -> None:
    """Posted bodies were counted apart then, so that a number may be there twice."""
    reasons = ["unreadable: Expecting value", "quantity_in_range"]
    old = pa.table({"row": [1, 1], "reason": reasons, "event_id": ["bad-1", "e1"], "quantity": [None, "0.0"]})
    write_table(shop.landing.quarantine_file("events", "posted-1-2"), old)
    rows = shop.landing.quarantined("events", "posted-1-2").to_pylist()
    assert [(row["row"], row["reason"], row["quantity"]) for row in rows] == [
        (1, reasons[0], None), (2, reasons[1], "0.0")
    ]  # fmt: skip
    assert (rows[0]["origin"], rows[0]["original"], rows[0]["user_id"]) == (None, None, None)


def test_quarantine__of_an_interrupted_judgement_does_not_outlive_the_next(
    shop: OpenShop, judge: JudgeTables
) -> None:
    """Killed between quarantine and record, then judged in a later present in which nothing is amiss."""
    stale = shop.landing.quarantine_file("events", "file-a")
    write_table(stale, pa.table({"row": [1], "reason": ["occurred_at_not_in_future"]}))
    judge("file-a", events=sample_rows(EVENTS, 3))
    assert shop.landing.quarantined("events", "file-a").num_rows == 0


def test_landed_again__leaves_no_file_of_the_first_time(shop: OpenShop, judge: JudgeTables) -> None:
    batch = Batch("file-a", "file", shop.calendar.end(2).isoformat(), "a test")
    shop.landing.land(batch, {"promotions": sample_rows(PROMOTIONS), "events": sample_rows(EVENTS)})
    shop.landing.land(batch, {"events": sample_rows(EVENTS)})
    assert list(shop.landing.raw_files("file-a")) == ["events"]


def test_file_of_no_data_set__is_not_passed_over(shop: OpenShop, shop_settings: Settings) -> None:
    """What an older version landed apart from the events must not be lost by judging the rest."""
    batch = Batch("posted-1-2", "posted", (shop.calendar.end(2) + timedelta(days=1)).isoformat(), "a test")
    shop.landing.land(batch, {"events": sample_rows(EVENTS)})
    write_table(Path(shop.landing.root / "raw" / "posted-1-2" / "unreadable.parquet"), sample_rows(EVENTS))
    with pytest.raises(
        LandingError, match=r"unreadable.parquet: expected a file of one of the data sets events, "
    ):
        validate_batch(shop_settings)
    assert shop.landing.accepted() == []
