"""Rows that come twice, and the law that no row is lost."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contracts import EVENTS, PROMOTIONS
from pipelines.contracts.arrow import PROVENANCE, schema, schema_with_provenance
from pipelines.contracts.judging import quarantine_faults
from pipelines.contracts.samples import sample_rows
from pipelines.contracts.sifting import asked_rows, quarantine_schema, sift

AS_OF = datetime(2018, 1, 1, tzinfo=UTC)
LATER = {"ingested_at": datetime(2017, 3, 1, tzinfo=UTC)}


def test_sift__counts_an_equal_row_as_a_duplicate() -> None:
    sifted = sift(pa.concat_tables([sample_rows(PROMOTIONS, 2), sample_rows(PROMOTIONS)]), PROMOTIONS, AS_OF)
    assert sifted.counts == {"rows_in": 3, "accepted": 2, "quarantined": 0, "duplicates": 1}


def test_sift__quarantines_all_rows_of_a_contested_key() -> None:
    rows = pa.concat_tables([sample_rows(EVENTS, 2), sample_rows(EVENTS, 1, {0: {"value": 9.0}})])
    sifted = sift(rows, EVENTS, AS_OF)
    assert sifted.quarantined.select(["row", "reason", "value"]).to_pylist() == [
        {"row": 1, "reason": "event_id_conflict", "value": "2.49"},
        {"row": 3, "reason": "event_id_conflict", "value": "9.0"},
    ]
    assert sifted.accepted["event_id"].to_pylist() == ["p-31198570044-25671-1"]


def test_sift__knows_a_row_again_that_was_accepted_earlier() -> None:
    again = sift(sample_rows(EVENTS, 2, {0: LATER}), EVENTS, AS_OF, known=sample_rows(EVENTS))
    assert again.counts == {"rows_in": 2, "accepted": 1, "quarantined": 0, "duplicates": 1}


def test_sift__quarantines_a_row_that_contradicts_an_accepted_one() -> None:
    changed = sift(sample_rows(EVENTS, 1, {0: {"user_id": "901"}}), EVENTS, AS_OF, known=sample_rows(EVENTS))
    assert changed.quarantined["reason"].to_pylist() == ["event_id_conflict"]


def test_sift__names_every_rule_that_a_row_breaks() -> None:
    sifted = sift(sample_rows(EVENTS, 1, {0: {"user_id": None, "quantity": 0.0}}), EVENTS, AS_OF)
    assert sifted.quarantined["reason"].to_pylist() == ["user_id_present; quantity_in_range"]


def with_faults(rows: pa.Table, faults: list[str | None]) -> pa.Table:
    """``rows`` with a fault each, and with where they came from and what they were there."""
    origins = [f"orders.csv, row {number}" for number in range(1, len(faults) + 1)]
    originals = [fault and '{"status": "cancelled"}' for fault in faults]
    for name, values in zip(PROVENANCE, (faults, origins, originals), strict=True):
        rows = rows.append_column(name, pa.array(values, pa.string()))
    return rows


def test_sift__quarantines_a_row_for_the_fault_it_came_with() -> None:
    fault = "unreadable: quantity: expected a number, found 'two'"
    sifted = sift(with_faults(sample_rows(EVENTS, 2), [None, fault]), EVENTS, AS_OF)
    assert sifted.quarantined.schema == quarantine_schema(EVENTS)
    (row,) = sifted.quarantined.to_pylist()
    assert (row["row"], row["reason"], row["origin"]) == (2, fault, "orders.csv, row 2")
    assert row["original"] == '{"status": "cancelled"}'
    assert (row["event_id"], row["quantity"]) == ("p-31198570044-25671-1", "1.0")
    assert sifted.accepted.schema == schema(EVENTS)
    assert sifted.accepted["event_id"].to_pylist() == ["p-31198570044-25671"]


def test_sift__quarantine_has_the_same_columns_without_provenance() -> None:
    sifted = sift(sample_rows(EVENTS, 1, {0: {"quantity": 0.0}}), EVENTS, AS_OF)
    assert sifted.quarantined.schema == quarantine_schema(EVENTS)
    assert sifted.quarantined.select(["origin", "original"]).to_pylist() == [
        {"origin": None, "original": None}
    ]


def test_sift__does_not_ask_a_row_with_a_fault_whether_it_keeps_the_rules() -> None:
    """An unreadable quantity is missing for one reason, and a cancelled order contradicts nothing."""
    rows = sample_rows(EVENTS, 1, {0: {"quantity": None}})
    again = sample_rows(EVENTS, 1, {0: {"value": 9.0}})
    faults = ["unreadable: quantity: expected a number, found 'two'", "declared: cancelled_orders", None]
    table = with_faults(pa.concat_tables([rows, again, sample_rows(EVENTS)]), faults)
    sifted = sift(table, EVENTS, AS_OF)
    assert sifted.quarantined["reason"].to_pylist() == faults[:2]
    assert sifted.accepted.num_rows == 1
    broken = {rule: rows for rule, rows in sifted.violations.items() if rows}
    assert broken == {"unreadable": 1, "declared: cancelled_orders": 1}
    assert asked_rows(table, EVENTS, sifted).to_pylist() == sample_rows(EVENTS).to_pylist()


def test_sift__counts_a_declared_duplicate_and_quarantines_it_not() -> None:
    table = with_faults(sample_rows(EVENTS, 2), [None, "duplicate: repeated_rows"])
    sifted = sift(table, EVENTS, AS_OF)
    assert sifted.counts == {"rows_in": 2, "accepted": 1, "quarantined": 0, "duplicates": 1}
    assert sifted.declared_duplicates == 1


def test_sift__counts_each_reason_of_a_row() -> None:
    faults = [
        "unreadable: value: expected a number, found 'x'; unreadable: quantity: expected a number, found 'y'",
        "declared: cancelled; declared: test orders",
        "unreadable: value: expected a number, found 'a; b'; declared: cancelled",
        "the line ends in the middle of a quoted cell",
        "",
    ]
    sifted = sift(with_faults(sample_rows(EVENTS, 5), list(faults)), EVENTS, AS_OF)
    broken = {rule: rows for rule, rows in sifted.violations.items() if rows}
    assert broken == {"unreadable": 3, "declared: cancelled": 2, "declared: test orders": 1}
    assert sifted.set_aside == 2
    assert sifted.accepted.num_rows == 1


def test_quarantine_faults__do_not_count_what_was_declared() -> None:
    """98 good rows, 40 set aside, 30 declared duplicates: 2 unreadable ones are 2 % of 100."""
    faults = [None] * 98 + ["declared: cancelled"] * 40 + ["duplicate: repeated_rows"] * 30
    bad = "unreadable: quantity: expected a number, found 'two'"
    sifted = sift(with_faults(sample_rows(EVENTS, 170), [*faults, bad, bad]), EVENTS, AS_OF)
    assert quarantine_faults({"events": sifted}, 0.02) == []
    (said,) = quarantine_faults({"events": sifted}, 0.019)
    assert (
        "found 2.0% (2 of 100; most often unreadable: orders.csv, row 169, quantity: expected a number"
        in said
    )


def test_quarantine_faults__name_the_origin_of_the_first_example() -> None:
    rows = sample_rows(EVENTS, 3, {2: {"quantity": -1.0}})
    (said,) = quarantine_faults({"events": sift(with_faults(rows, [None] * 3), EVENTS, AS_OF)}, 0.02)
    assert "quantity_in_range: orders.csv, row 3, column quantity, found '-1.0'" in said


def test_sift__knows_a_bad_row_again_that_was_quarantined_earlier() -> None:
    """Weeks read anew bring their bad rows anew; a row that is bad in another way is another row."""
    fault = "unreadable: value: expected a number, found 'x'"
    rows = sample_rows(EVENTS, 4, {1: {"quantity": 0.0}, 2: {"quantity": 0.0}, 3: {"event_id": None}})
    first = sift(with_faults(rows, [fault, None, None, None]), EVENTS, AS_OF)
    assert first.counts == {"rows_in": 4, "accepted": 0, "quarantined": 4, "duplicates": 0}

    changed = sample_rows(
        EVENTS, 5, {1: {"quantity": 0.0, **LATER}, 2: {"quantity": -1.0}, 3: {"event_id": None}}
    )
    table = with_faults(changed, [fault, None, None, None, None])
    again = sift(table, EVENTS, AS_OF, known_bad=first.quarantined)

    assert again.counts == {"rows_in": 5, "accepted": 1, "quarantined": 1, "duplicates": 3}
    assert again.quarantined["row"].to_pylist() == [3]
    assert again.quarantined_before == (1, 2, 4)
    assert {rule: count for rule, count in again.violations.items() if count} == {"quantity_in_range": 1}
    assert asked_rows(table, EVENTS, again)["quantity"].to_pylist() == [-1.0, 1.0], (
        "what the judge is asked about"
    )
    assert quarantine_faults({"events": again}, 0.5) == [], "1 of 2"


def test_sift__row_without_a_name_from_another_place_is_another_row() -> None:
    table = with_faults(sample_rows(EVENTS, 1, {0: {"event_id": None}}), [None])
    first = sift(table, EVENTS, AS_OF)
    elsewhere = table.set_column(table.column_names.index("origin"), "origin", [["orders.csv, row 99"]])
    assert sift(elsewhere, EVENTS, AS_OF, known_bad=first.quarantined).counts["quarantined"] == 1


def test_sift__row_that_has_become_good_is_accepted() -> None:
    early = datetime(2017, 1, 1, tzinfo=UTC)
    first = sift(sample_rows(EVENTS), EVENTS, early)
    assert first.quarantined["reason"].to_pylist() == ["occurred_at_not_in_future"]
    assert sift(sample_rows(EVENTS), EVENTS, AS_OF, known_bad=first.quarantined).counts["accepted"] == 1


moments = st.datetimes(datetime(2016, 1, 1), datetime(2019, 1, 1), timezones=st.just(UTC))
events = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from([None, "a", "b", "c", "d"]),
        "event_type": st.sampled_from([None, "purchase", "search", "theft"]),
        "user_id": st.sampled_from([None, "1", "2"]),
        "item_id": st.sampled_from([None, "x"]),
        "quantity": st.sampled_from([None, -1.0, 0.0, 1.0]),
        "occurred_at": st.one_of(st.none(), moments),
        "ingested_at": st.one_of(st.none(), moments),
    }
)


reasons = st.sampled_from(
    [
        None,
        "",
        "unreadable: quantity: expected a number, found '1;2; declared: x'",
        "declared: cancelled",
        "declared: cancelled; unreadable: value: expected a number, found ''",
        "duplicate: repeated_rows",
        "no words that anyone agreed on",
    ]
)
messy = st.fixed_dictionaries({"fault": reasons, "origin": st.sampled_from([None, "a.csv, row 1"])})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(events, messy), min_size=1, max_size=12), st.lists(events, max_size=4))
def test_sift__conserves_rows(
    drawn: list[tuple[dict[str, object], dict[str, object]]], known: list[dict[str, object]]
) -> None:
    rows = [event | provenance for event, provenance in drawn]
    table = pa.Table.from_pylist(rows, schema_with_provenance(EVENTS))
    before = sift(pa.Table.from_pylist(known, schema(EVENTS)), EVENTS, AS_OF).accepted
    sifted = sift(table, EVENTS, AS_OF, before)
    assert sifted.counts["rows_in"] == len(rows)
    with_fault = [place for place, row in enumerate(rows, start=1) if row["fault"]]
    repeated = [place for place in with_fault if str(rows[place - 1]["fault"]).startswith("duplicate: ")]
    assert sifted.declared_duplicates == len(repeated)
    quarantined = {row["row"]: row["reason"] for row in sifted.quarantined.to_pylist()}
    assert set(with_fault) - set(quarantined) == set(repeated), "a fault is never accepted"
    assert all(quarantined[place] == rows[place - 1]["fault"] for place in set(with_fault) & set(quarantined))
    assert len(quarantined) == sifted.quarantined.num_rows, "a row is quarantined once"
    ids = sifted.accepted["event_id"].to_pylist()
    assert len(ids) == len(set(ids)), "accepted keys are unique"
    assert not set(ids) & set(before["event_id"].to_pylist()), "and were not accepted before"
    assert sift(sifted.accepted, EVENTS, AS_OF).counts["accepted"] == len(ids), (
        "accepted rows keep every rule"
    )
    assert pc.all(pc.not_equal(sifted.quarantined["reason"], "")).as_py() in (True, None)
