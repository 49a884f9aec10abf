"""What the rules for messy rows do: each row goes on, set aside or changed, and none is lost."""

from typing import Any

import pyarrow as pa
import pytest
from source_rows import Rows, mapped, one, source

from pipelines.sources.declaration import SourceError
from pipelines.sources.mapping import map_chunk


def test_cancelled_orders__are_set_aside_by_value() -> None:
    rule = {"column": "status", "values": ["cancelled", "void"]}
    rows = mapped(source(rules={"cancelled_orders": rule}), *({"status": s} for s in ("paid", "void", None)))
    assert [row["fault"] for row in rows] == [None, "declared: cancelled_order", None]
    assert '"status":"void"' in rows[1]["original"]


def test_cancelled_orders__are_set_aside_by_prefix() -> None:
    """UCI Online Retail writes C before the number of a cancelled invoice."""
    shop = source(rules={"cancelled_orders": {"column": "order", "prefix": "C"}})
    rows = mapped(shop, {"order": "C536379"}, {"order": "536379"}, {"order": "c1"})
    assert [row["fault"] for row in rows] == ["declared: cancelled_order", None, None]


def test_cancelled_orders__may_be_kept() -> None:
    rule = {"column": "order", "prefix": "C", "do": "keep"}
    assert one({}, {"order": "C1"}, rules={"cancelled_orders": rule})["fault"] is None


def test_cancelled_orders__are_set_aside_even_where_unreadable() -> None:
    """The shop said that these rows do not count, so that they must not count against the quarantine either."""
    row = one(
        {}, {"order": "C1", "total": "?"}, rules={"cancelled_orders": {"column": "order", "prefix": "C"}}
    )
    assert row["fault"] == "declared: cancelled_order"


def test_guests__go_to_the_contract_where_no_rule_is_chosen() -> None:
    row = one({}, {"user": ""})
    assert (row["user_id"], row["fault"]) == (None, None)


def test_guests__are_set_aside() -> None:
    rows = mapped(source(rules={"guests": "set_aside"}), {"user": ""}, {"user": "7"})
    assert [row["fault"] for row in rows] == ["declared: guest", None]


def test_guests__share_a_shopper_within_a_basket_only() -> None:
    shop = source(rules={"guests": "give_each_basket_its_own_shopper"})
    rows = mapped(shop, {"user": None}, {"user": None}, {"user": None, "order": "o2"}, {"user": "7"})
    assert [row["user_id"] for row in rows] == ["guest-o1", "guest-o1", "guest-o2", "7"]
    assert [row["fault"] for row in rows] == [None] * 4
    assert mapped(shop, {"user": None, "order": None})[0]["user_id"] is None


def test_returns__go_to_the_contract_where_no_rule_is_chosen() -> None:
    row = one({}, {"pieces": "-2"})
    assert (row["event_type"], row["quantity"], row["fault"]) == ("purchase", -2.0, None)


def test_returns__are_set_aside() -> None:
    rows = mapped(source(rules={"returns": "set_aside"}), {"pieces": "-2"}, {"pieces": "0"}, {"pieces": None})
    assert [row["fault"] for row in rows] == ["declared: return", None, None]


@pytest.mark.parametrize("total", ["4.5", "-4.5"])
def test_returns__become_events_of_their_own(total: str) -> None:
    row = one({}, {"pieces": "-2", "total": total}, rules={"returns": "become_return_events"})
    assert (row["event_type"], row["quantity"], row["value"], row["fault"]) == ("return", 2.0, 4.5, None)
    bought = one({}, {"pieces": "2", "total": total}, rules={"returns": "become_return_events"})
    assert (bought["event_type"], bought["quantity"], bought["value"]) == ("purchase", 2.0, float(total))


def test_where__sets_aside_what_it_does_not_meet() -> None:
    shop = source(where="item not in ('POST', 'M') and cast(pieces as int) < 100")
    rows = mapped(shop, {"item": "POST"}, {"item": "a"}, {"item": None}, {"item": "a", "pieces": "100"})
    assert [row["fault"] for row in rows] == ["declared: where", None, "declared: where", "declared: where"]


def test_where__knows_columns_by_exact_name() -> None:
    table = pa.Table.from_pylist([dict(one_row, **{"Unit Price": "1"}) for one_row in ROWS])
    result = map_chunk(Rows(table), source(where="\"Unit Price\" > '0'"), "events")
    assert result["fault"].null_count == 1


ROWS = [
    {"id": "1", "user": "7", "item": "i", "order": "o", "pieces": "1", "total": "1", "at": "2024-05-01T10:00"}
]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("statsu = 'paid'", "the source has no column statsu"),
        ("pieces >", "where: expected a condition in SQL"),
        ("count(*) > 1", "where: expected a condition over a row's own columns"),
        ("item in (select 1)", "where: expected a condition over a row's own columns"),
        ("item = 'a') or (1 = 1", "where: expected a condition"),
        (
            "cast(user as date) > '2024-01-01'",
            "where: Conversion Error.*casting from column user; use try_cast",
        ),
        ("exists (from read_csv('/etc/passwd'))", "where: expected a condition"),
    ],
)
def test_where__says_what_is_wrong_with_it(where: str, said: str) -> None:
    with pytest.raises(
        SourceError, match=f"source shop: orders.csv: events: .*{said}.*; correct sources/shop.yaml"
    ):
        one({}, {}, where=where)


def test_missing__texts_mean_no_value_in_every_column() -> None:
    row = one({}, {"item": "NULL", "total": "-", "pieces": r"\N"}, missing=["NULL", "-", r"\N"])
    assert (row["item_id"], row["value"], row["quantity"], row["fault"]) == (None, None, None, None)


def test_map_chunk__is_the_same_however_the_rows_are_cut() -> None:
    """What becomes of a row may not hang on the size of the chunk that it came in."""
    rules: dict[str, Any] = {"guests": "give_each_basket_its_own_shopper", "returns": "become_return_events"}
    rules |= {"cancelled_orders": {"column": "order", "prefix": "C"}, "repeated_rows": "count_as_duplicates"}
    shop = source(rules=rules)
    rows = [{**ROWS[0], "id": str(n % 5), "pieces": str(n - 4), "order": f"o{n}"} for n in range(12)]
    for place, change in {3: {"order": "C3"}, 5: {"total": "x"}, 7: {"user": ""}}.items():
        rows[place] |= change
    table = pa.Table.from_pylist(rows)
    whole = map_chunk(Rows(table), shop, "events")
    for size in (1, 5):
        parts = [
            map_chunk(Rows(table.slice(at, size), first_row=at + 1), shop, "events")
            for at in range(0, 12, size)
        ]
        assert pa.concat_tables(parts).equals(whole)
