"""Rows that come twice, and the law that no row is lost."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contracts import EVENTS, PROMOTIONS
from pipelines.contracts.arrow import schema
from pipelines.contracts.samples import sample_rows
from pipelines.contracts.sifting import sift

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


@settings(max_examples=60, deadline=None)
@given(st.lists(events, min_size=1, max_size=12), st.lists(events, max_size=4))
def test_sift__conserves_rows(rows: list[dict[str, object]], known: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema(EVENTS))
    before = sift(pa.Table.from_pylist(known, schema(EVENTS)), EVENTS, AS_OF).accepted
    sifted = sift(table, EVENTS, AS_OF, before)
    assert sifted.counts["rows_in"] == len(rows)
    ids = sifted.accepted["event_id"].to_pylist()
    assert len(ids) == len(set(ids)), "accepted keys are unique"
    assert not set(ids) & set(before["event_id"].to_pylist()), "and were not accepted before"
    assert sift(sifted.accepted, EVENTS, AS_OF).counts["accepted"] == len(ids), (
        "accepted rows keep every rule"
    )
    assert pc.all(pc.not_equal(sifted.quarantined["reason"], "")).as_py() in (True, None)
