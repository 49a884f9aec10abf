"""The SQL views on shops small enough to work out by hand."""

from pathlib import Path

import pytest

from pipelines.features.build import build_views
from pipelines.features.views import FeatureError, read_view
from tests.features.tiny_shop import AT, VIEWS, WEEK_US, bought, build_shop, write_shop


def shop(folder: Path, rows: list[tuple]) -> tuple[Path, Path]:
    """Rows are (user, basket, item, weeks before the moment[, ingested weeks before the moment])."""
    written = write_shop(folder, [bought(*row) for row in rows])
    return written.events, written.items


def build(folder: Path, rows: list[tuple]) -> dict[str, list[dict]]:
    return build_shop(folder, [bought(*row) for row in rows])


BASICS = [
    ("ann", "b1", "milk", 3.5),
    ("ann", "b1", "bread", 3.5),
    ("ann", "b2", "milk", 1.5),
    ("ann", "b2", "fuel", 1.5),
    ("bob", "b3", "milk", 12.5),
]


def test_basket_lines__numbers_baskets_and_leaves_out_what_is_not_recommendable(tmp_path: Path) -> None:
    lines = build(tmp_path, BASICS)["basket_lines"]
    assert [(line["user_id"], line["basket"], line["item_id"]) for line in lines] == [
        ("ann", 0, "bread"),
        ("ann", 0, "milk"),
        ("ann", 1, "milk"),
        ("bob", 0, "milk"),
    ]


def test_basket_lines__lines_of_one_basket_id_are_one_basket_at_the_earliest(tmp_path: Path) -> None:
    rows = [
        ("ann", "b1", "milk", 2.5),
        ("ann", "b1", "bread", 3.25),
        ("ann", "b1", "milk", 3.5),
        ("ann", "b2", "eggs", 3.0),
        ("bob", "b1", "eggs", 5.5),
    ]
    lines = build(tmp_path, rows)["basket_lines"]
    first = {"user_id": "ann", "basket": 0, "occurred_us": AT - 3 * WEEK_US - WEEK_US // 2, "week": 37}
    assert lines == [
        first | {"item_id": "bread", "quantity": 1.0, "value": 2.0},
        first | {"item_id": "milk", "quantity": 2.0, "value": 4.0},
        first
        | {"basket": 1, "occurred_us": AT - 3 * WEEK_US, "week": 38}
        | {"item_id": "eggs", "quantity": 1.0, "value": 2.0},
        {"user_id": "bob", "basket": 0, "occurred_us": AT - 5 * WEEK_US - WEEK_US // 2, "week": 35}
        | {"item_id": "eggs", "quantity": 1.0, "value": 2.0},
    ]


def test_basket_lines__without_a_basket_id_each_moment_is_a_basket(tmp_path: Path) -> None:
    rows = [
        ("ann", None, "milk", 2.5),
        ("ann", None, "bread", 2.5),
        ("ann", None, "milk", 1.5),
        ("ann", "b1", "milk", 2.0),
    ]
    lines = build(tmp_path, rows)["basket_lines"]
    assert [(line["basket"], line["item_id"], (AT - line["occurred_us"]) / WEEK_US) for line in lines] == [
        (0, "bread", 2.5),
        (0, "milk", 2.5),
        (1, "milk", 2.0),
        (2, "milk", 1.5),
    ]


def test_basket_lines__what_is_not_recommendable_dates_its_basket(tmp_path: Path) -> None:
    lines = build(tmp_path, [("ann", "b1", "fuel", 3.5), ("ann", "b1", "milk", 2.5)])["basket_lines"]
    assert [(line["item_id"], line["week"], (AT - line["occurred_us"]) / WEEK_US) for line in lines] == [
        ("milk", 37, 3.5)
    ]


def test_household_items__fades_by_a_tenth_a_week(tmp_path: Path) -> None:
    rows = {(row["user_id"], row["item_id"]): row for row in build(tmp_path, BASICS)["household_items"]}
    assert rows["ann", "milk"]["decayed_baskets"] == pytest.approx(0.9**3.5 + 0.9**1.5)
    assert rows["bob", "milk"]["baskets"] == 1


def test_item_popularity__counts_households_per_window(tmp_path: Path) -> None:
    rows = {row["item_id"]: row for row in build(tmp_path, BASICS)["item_popularity"]}
    milk, bread = rows["milk"], rows["bread"]
    assert (milk["households_1w"], milk["households_4w"], milk["households_8w"], milk["households"]) == (
        0,
        1,
        1,
        2,
    )
    assert (bread["households_4w"], bread["sellable"]) == (1, True)


def test_item_popularity__not_sold_for_eight_weeks_is_not_sellable(tmp_path: Path) -> None:
    assert build(tmp_path, [("bob", "b3", "milk", 12.5)])["item_popularity"][0]["sellable"] is False


def test_basket_transitions__needs_three_pairs(tmp_path: Path) -> None:
    rows = [(user, f"{user}1", "milk", 5) for user in "abc"] + [
        (user, f"{user}2", "bread", 4) for user in "abc"
    ]
    assert build(tmp_path, rows)["basket_transitions"] == [
        {"item_id": "milk", "next_item_id": "bread", "transitions": 3}
    ]
    assert build(tmp_path / "two", rows[:2] + rows[3:5])["basket_transitions"] == []


def test_copurchases__by_hand(tmp_path: Path) -> None:
    rows = [(f"u{n}", f"b{n}", "milk", 2) for n in range(5)] + [
        (f"u{n}", f"b{n}", "bread", 2) for n in range(4)
    ]
    rows += [("u9", "b9", "bread", 2)]
    found = build(tmp_path, rows)["copurchases"]
    assert [(row["item_id"], row["other_item_id"], row["support"]) for row in found] == [
        ("bread", "milk", 4),
        ("milk", "bread", 4),
    ]
    assert found[0]["strength"] == pytest.approx(4 / 5)


def test_read_view__missing_file_names_params(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"spend\.sql is missing, but build_features\.views"):
        read_view("spend", tmp_path)


def test_build_views__refused_sql_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("-- key: user_id\nSELECT nothing FROM known_events")
    events, items = shop(tmp_path, BASICS)
    with pytest.raises(FeatureError, match=r"bad\.sql is refused by DuckDB.*nothing"):
        build_views(("bad",), events, items, AT, 41, tmp_path / "out", folder=tmp_path)


def test_build_views__same_rows_same_bytes(tmp_path: Path) -> None:
    build(tmp_path / "one", BASICS)
    build(tmp_path / "two", list(reversed(BASICS)))
    for name in VIEWS:
        first, second = (tmp_path / run / "out" / f"{name}.parquet" for run in ("one", "two"))
        assert first.read_bytes() == second.read_bytes(), name


def test_read_view__the_header_says_what_it_is(tmp_path: Path) -> None:
    lines = [
        "-- Who came,",
        "-- and when.",
        "-- key: user_id, day",
        "-- windows: ever",
        "-- Guests: left out.",
        "-- column user_id: the household: as it calls itself",
        "-- column day: when it came, days",
        "-- column without a meaning",
        "SELECT 1  -- column not: of the header",
    ]
    (tmp_path / "visits.sql").write_text("\n".join(lines))
    view = read_view("visits", tmp_path)
    assert (view.meaning, view.key, view.windows) == ("Who came, and when.", ("user_id", "day"), "ever")
    assert view.columns == {"user_id": "the household: as it calls itself", "day": "when it came, days"}
    assert view.notes == "Guests: left out. column without a meaning"
