"""Whatever the cells hold, mapping raises nothing, loses no row, and says of each what is wrong with it."""

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from source_rows import Rows, source

from pipelines.sources.mapping import map_chunk
from pipelines.sources.readers.pieces import unreadable

PIECES = [
    "1",
    "-",
    "(",
    ")",
    ".",
    ",",
    " ",
    "€",
    "'",
    '"',
    "; ",
    "e9",
    "nan",
    "inf",
    "2024-05-01",
    "T10:00",
    "Z",
    "99",
]
CELLS = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.datetimes().map(str),
)
COLUMNS = {
    "event_id": {"join": ["a", "b"]},
    "event_type": {"from": "a", "names": {"1": "purchase", "'": "view", "2024": ""}},
    "user_id": {"from": "b", "names": {"x": "y"}, "others": "keep"},
    "item_id": "a",
    "basket_id": "b",
    "quantity": "a",
    "value": {"from": "a", "times": "b", "decimal": ","},
    "discount": {"from": "b", "decimal": "."},
    "occurred_at": {"from": "a", "format": ["iso", "%d.%m.%Y %H:%M", "epoch_seconds"], "at": "24:00"},
    "ingested_at": {"from": "b", "format": "epoch_micros", "fold": "later"},
}
RULES = {
    "cancelled_orders": {"column": "a", "prefix": "'"},
    "guests": "give_each_basket_its_own_shopper",
    "returns": "become_return_events",
}
SHOP = source(COLUMNS, missing=["-"], where="a is null or length(a) < 12", rules=RULES)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30))
def test_map_chunk__accounts_for_any_rows(rows: list[tuple[str | None, str | None]]) -> None:
    table = pa.table(
        {"a": pa.array([a for a, _ in rows], pa.string()), "b": pa.array([b for _, b in rows], pa.string())}
    )
    mapped = map_chunk(Rows(table), SHOP, "events")
    assert mapped["origin"].to_pylist() == [f"orders.csv, row {place}" for place in range(1, len(rows) + 1)]
    for (a, b), row in zip(rows, mapped.to_pylist(), strict=True):
        assert (row["original"] is None) == (row["fault"] is None)
        if row["fault"] is not None:
            assert json.loads(row["original"]) == {"a": a, "b": b}
            kinds = [reason.split(": ")[0] for reason in row["fault"].split("; ")]
            assert set(kinds) in ({"unreadable"}, {"declared"})
        elif a not in (None, "", "-"):
            assert row["item_id"] == a
            assert row["occurred_at"] is not None


def test_unreadable__of_readers_holds_no_second_reason() -> None:
    """Replacing "; " once would leave one where two spaces follow."""
    assert unreadable("a", "b", "x;  declared: y") == "unreadable: a: expected b, found 'x;declared: y'"
