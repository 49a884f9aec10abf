"""Splitting by time, on a shop small enough to do by hand."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contracts import EVENTS, ITEMS
from pipelines.contracts.samples import sample_rows
from pipelines.evaluation.splits import baskets, folds, known_events, targets, targets_sha256, with_weeks
from pipelines.weeks import ShopCalendar

CALENDAR = ShopCalendar(ZoneInfo("America/New_York"), date(2016, 12, 26))
CATALOG = sample_rows(
    ITEMS,
    3,
    {0: {"item_id": "milk"}, 1: {"item_id": "bread"}, 2: {"item_id": "fuel", "recommendable": False}},
)


def bought(user: str, item: str, week: int, **changes: object) -> dict[str, object]:
    known = {"occurred_at": CALENDAR.start(week) + timedelta(days=2), "ingested_at": CALENDAR.end(week)}
    return {"user_id": user, "item_id": item, "event_id": f"{user}-{item}-{week}", **known, **changes}


def events(*rows: dict[str, object]) -> pa.Table:
    return with_weeks(sample_rows(EVENTS, len(rows), dict(enumerate(rows))), CALENDAR)


def test_folds__are_the_last_week_and_the_one_before() -> None:
    found = folds(44, 10, CALENDAR)
    assert {name: (fold.week, fold.history_from) for name, fold in found.items()} == {
        "validation": (43, 33),
        "holdout": (44, 34),
    }
    assert found["holdout"].starts_at == datetime(2017, 10, 23, 4, tzinfo=UTC)
    assert found["holdout"].at_us == 1_508_731_200_000_000
    assert found["validation"].ends_at == found["holdout"].starts_at


def test_known_events__are_those_before_the_week_and_known_by_then() -> None:
    fold = folds(10, 4, CALENDAR)["holdout"]
    table = events(
        bought("1", "milk", 5),
        bought("2", "milk", 6),
        bought("3", "milk", 9),
        bought("4", "milk", 9, ingested_at=CALENDAR.end(9) + timedelta(microseconds=1)),
        bought("5", "milk", 10, occurred_at=CALENDAR.start(10), ingested_at=CALENDAR.start(10)),
    )
    # Those before the weeks that are learned from are known as well: shoppers are asked with all they bought.
    assert known_events(table, fold)["user_id"].to_pylist() == ["1", "2", "3"]


def test_correction__counts_from_the_week_in_which_it_is_known() -> None:
    table = events(
        bought("1", "milk", 8),
        # Told again in week 9: it was bread, and was a purchase of the week before.
        bought("1", "bread", 8, event_id="mended", corrects="1-milk-8", ingested_at=CALENDAR.end(9)),
    )
    seen = {week: known_events(table, folds(week, 4, CALENDAR)["holdout"]) for week in (9, 10)}
    assert {week: known["item_id"].to_pylist() for week, known in seen.items()} == {
        9: ["milk"],
        10: ["bread"],
    }


def test_targets__follow_a_correction_known_by_the_end_of_the_week() -> None:
    fold = folds(10, 4, CALENDAR)["holdout"]
    original, wrong = bought("1", "milk", 10), bought("2", "milk", 10)
    in_time = bought("1", "bread", 10, event_id="mended", corrects="1-milk-10")
    late = bought("2", "bread", 10, event_id="x", corrects="2-milk-10", ingested_at=CALENDAR.end(11))
    pairs = targets(events(original, wrong, in_time, late), CATALOG, fold).to_pylist()
    assert pairs == [{"user_id": "1", "item_id": "bread"}, {"user_id": "2", "item_id": "milk"}]


def test_targets__are_distinct_recommendable_purchases_of_the_week() -> None:
    fold = folds(10, 4, CALENDAR)["holdout"]
    table = events(
        bought("2", "milk", 10),
        bought("1", "milk", 10),
        bought("1", "bread", 10),
        bought("1", "bread", 10, event_id="again"),
        bought("1", "fuel", 10),
        bought("1", "unknown", 10),
        bought("3", "milk", 10, event_type="view", quantity=None),
        bought("4", "milk", 10, ingested_at=CALENDAR.end(10) + timedelta(days=1)),
        bought("5", "milk", 9),
    )
    pairs = targets(table, CATALOG, fold).to_pylist()
    assert [(pair["user_id"], pair["item_id"]) for pair in pairs] == [
        ("1", "bread"),
        ("1", "milk"),
        ("2", "milk"),
    ]


def test_baskets__are_the_targets_by_basket_and_leave_out_what_is_in_none() -> None:
    fold = folds(10, 4, CALENDAR)["holdout"]
    table = events(
        bought("1", "milk", 10, basket_id="b"),
        bought("1", "milk", 10, basket_id="b", event_id="again"),
        bought("1", "bread", 10, basket_id="a"),
        bought("1", "fuel", 10, basket_id="a"),
        bought("2", "milk", 10, basket_id=None),
        bought("3", "milk", 9, basket_id="c"),
    )
    rows = baskets(table, CATALOG, fold).to_pylist()
    assert [(row["user_id"], row["basket_id"], row["item_id"]) for row in rows] == [
        ("1", "a", "bread"),
        ("1", "b", "milk"),
    ]


def test_targets_sha256__is_that_of_the_content() -> None:
    pairs = pa.table({"user_id": ["1", "2"], "item_id": ["a", "b"]})
    # printf '1\ta\n2\tb\n' | sha256sum
    expected = "d8cc943c9829fce3b80307654c57229ec9a4a46a30a5a832f66be540402fe667"
    assert targets_sha256(pairs) == expected
    chunked = pa.concat_tables([pairs.slice(0, 1), pairs.slice(1)])
    assert targets_sha256(chunked) == expected
    assert targets_sha256(pairs.slice(0, 1)) != expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 14), st.integers(0, 400)), min_size=1, max_size=30))
def test_known_events__never_hold_a_row_of_the_future(rows: list[tuple[int, int]]) -> None:
    table = events(
        *(
            bought(str(number), "milk", week, ingested_at=CALENDAR.end(week) + timedelta(hours=late))
            for number, (week, late) in enumerate(rows)
        )
    )
    for fold in folds(10, 4, CALENDAR).values():
        known = known_events(table, fold).to_pylist()
        assert all(
            row["occurred_at"] < fold.starts_at and row["ingested_at"] <= fold.starts_at for row in known
        )
        target_users = set(targets(table, CATALOG, fold)["user_id"].to_pylist())
        assert not target_users & {row["user_id"] for row in known}
