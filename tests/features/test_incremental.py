"""What a week touched is built, the rest taken over: the same bytes as a full build."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.features.build import build_views
from pipelines.features.incremental import build_views_incrementally
from pipelines.features.kept_builds import PER_VIEW, KeptBuilds
from pipelines.features.views import FOLDER, FeatureError
from pipelines.tables import sha256
from tests.features.tiny_shop import (
    AT,
    ITEMS,
    VIEWS,
    WEEK,
    WEEK_US,
    Row,
    bought,
    promoted,
    redeemed,
    write_shop,
)

BASICS = (
    bought("ann", "b1", "milk", 3.5, event_id="a1"),
    bought("ann", "b2", "bread", 1.5, event_id="a2"),
    bought("bob", "b3", "milk", 2.5, event_id="b1"),
    redeemed("bob", "c1", "k1", 1.5, event_id="b2"),
)
PROMOTIONS = (promoted("milk", 4, 2), promoted("bread", 1, -2, "c2"))
SOME = ("basket_lines", "households", "household_items", "household_windows", "household_sequences")
"""Views that promise to be incremental, and some that read them and do not."""


@dataclass(frozen=True)
class State:
    """A shop as it is when its views are built."""

    events: tuple[Row, ...] = BASICS
    items: tuple[Row, ...] = ITEMS
    promotions: tuple[Row, ...] = PROMOTIONS
    weeks_later: int = 0
    from_week: int = 1


def inputs(folder: Path, state: State, out: Path) -> dict[str, Any]:
    here = write_shop(folder, state.events, state.promotions, state.items)
    return {
        "events": here.events,
        "items": here.items,
        "users": here.users,
        "promotions": here.promotions,
        "at_us": AT + state.weeks_later * WEEK_US,
        "week": WEEK + state.weeks_later,
        "from_week": state.from_week,
        "out": out,
    }


def full(folder: Path, state: State, views: tuple[str, ...] = SOME, sql: Path = FOLDER) -> dict[str, str]:
    build_views(views, **inputs(folder / "shop", state, folder / "full"), folder=sql)
    return hashes(folder / "full")


def step(
    folder: Path, state: State, views: tuple[str, ...] = SOME, sql: Path = FOLDER
) -> tuple[dict[str, str], dict[str, str]]:
    """An incremental build: hashes of its files, and what it says of each view."""
    said: list[str] = []
    kept = KeptBuilds(folder / "kept")
    about = inputs(folder / "shop", state, folder / "out")
    build_views_incrementally(kept, 1.0, said.append, views, **about, folder=sql)
    return hashes(folder / "out"), dict(line.split(": ", 1) for line in said)


def hashes(folder: Path) -> dict[str, str]:
    return {path.stem: sha256(path) for path in folder.iterdir()}


def test_incremental__without_an_earlier_build_is_a_full_one(tmp_path: Path) -> None:
    files, said = step(tmp_path, State(), VIEWS)
    assert files == full(tmp_path, State(), VIEWS)
    assert set(said.values()) == {"built"}


def test_incremental__all_views_of_a_new_week_are_as_in_a_full_build(tmp_path: Path) -> None:
    later = State((*BASICS, bought("ann", "b9", "eggs", -0.5, event_id="new")), weeks_later=1)
    step(tmp_path, State(), VIEWS)
    assert step(tmp_path, later, VIEWS)[0] == full(tmp_path, later, VIEWS)


def test_incremental__unchanged_inputs_take_all_over(tmp_path: Path) -> None:
    first, _ = step(tmp_path, State())
    again, said = step(tmp_path, State())
    assert again == first
    assert set(said.values()) == {"nothing that it reads has changed; taken over"}


def test_incremental__a_new_week_builds_its_shoppers(tmp_path: Path) -> None:
    step(tmp_path, State())
    later = State((*BASICS, bought("ann", "b9", "eggs", -0.5, event_id="new")), weeks_later=1)
    files, said = step(tmp_path, later)
    assert files == full(tmp_path, later)
    assert said["basket_lines"] == said["households"] == "1 of 2 shoppers built"
    assert said["household_windows"] == "built"


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        (State((*BASICS, bought("bob", "b8", "eggs", 9, event_id="late"))), 1),
        (State((*BASICS, bought("ann", "b1", "eggs", 3.5, learned=0, event_id="a3", corrects="a1"))), 1),
        (State(BASICS[1:]), 1),
        (State((replaced := (BASICS[0] | {"value": 2.5}), *BASICS[1:])), 1),
        (State(items=(ITEMS[0] | {"recommendable": False}, *ITEMS[1:])), 2),
        (State(items=(*ITEMS[:2], ITEMS[2] | {"recommendable": False}, ITEMS[3])), 1),
        (State(from_week=WEEK - 3), 1),
        (State((*BASICS, bought("cat", "b8", "eggs", 2, event_id="new"))), 1),
        (State(BASICS[:2]), 1),
    ],
    ids=["late", "corrected", "removed", "changed", "item", "item of one", "forgotten", "new", "gone"],
)
def test_incremental__finds_who_is_touched(tmp_path: Path, change: State, touched: int) -> None:
    step(tmp_path, State())
    files, said = step(tmp_path, change)
    assert files == full(tmp_path, change)
    assert said["basket_lines"].startswith(f"{touched} of ")


def test_incremental__another_moment_with_the_same_events_touches_no_shopper(tmp_path: Path) -> None:
    step(tmp_path, State())
    files, said = step(tmp_path, State(weeks_later=1))
    assert files == full(tmp_path, State(weeks_later=1))
    assert said["basket_lines"].startswith("0 of ")
    assert said["household_items"] == "built"


def test_incremental__an_edited_view_and_those_that_read_it_are_built(tmp_path: Path) -> None:
    views = ("basket_lines", "households")
    sql = tmp_path / "sql"
    sql.mkdir()
    for name in views:
        (sql / f"{name}.sql").write_text((FOLDER / f"{name}.sql").read_text())
    step(tmp_path, State(), views, sql)
    text = (sql / "basket_lines.sql").read_text()
    assert text.count("items.recommendable") == 2
    (sql / "basket_lines.sql").write_text(text.replace("items.recommendable", "items.item_id <> 'milk'"))
    files, said = step(tmp_path, State(), views, sql)
    assert files == full(tmp_path, State(), views, sql)
    assert said == {"basket_lines": "built", "households": "built"}


@pytest.mark.parametrize("harm", ["rows", "manifest", "prints", "lie", "gone"])
def test_incremental__a_broken_cache_is_not_trusted(tmp_path: Path, harm: str) -> None:
    step(tmp_path, State())
    later = State((*BASICS, bought("ann", "b9", "eggs", -0.5, event_id="new")), weeks_later=1)
    for build in (tmp_path / "kept").glob("*/*"):
        if harm in ("rows", "prints"):
            (build / f"{harm}.parquet").write_bytes(b"PAR1 not really PAR1")
        elif harm == "gone":
            (build / "rows.parquet").unlink()
        else:
            about = json.loads((build / "build.json").read_text())
            about["files"] = {} if harm == "lie" else None
            (build / "build.json").write_text("{" if harm == "manifest" else json.dumps(about))
    for state in (State(), later):
        assert step(tmp_path, state)[0] == full(tmp_path, state)


def test_incremental__a_cache_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where a folder should be")
    assert step(tmp_path, State())[0] == full(tmp_path, State())


def test_kept_builds__are_few(tmp_path: Path) -> None:
    for number in range(PER_VIEW + 3):
        step(tmp_path, State(weeks_later=number), ("basket_lines", "household_items"))
    assert len(list((tmp_path / "kept/household_items").iterdir())) == PER_VIEW


@pytest.mark.parametrize(
    ("header", "sql", "complaint"),
    [
        ("user_id", "SELECT user_id, at_us FROM users CROSS JOIN moment", "reads moment"),
        ("user_id", "SELECT user_id FROM household_items", "reads household_items"),
        ("week", "SELECT user_id FROM users", "found 'week'"),
    ],
)
def test_incremental__a_promise_that_cannot_be_true_is_refused(
    tmp_path: Path, header: str, sql: str, complaint: str
) -> None:
    for name in ("basket_lines", "household_items"):
        (tmp_path / f"{name}.sql").write_text((FOLDER / f"{name}.sql").read_text())
    (tmp_path / "bad.sql").write_text(f"-- key: user_id\n-- incremental: {header}\n{sql}")
    with pytest.raises(FeatureError, match=rf"bad\.sql.*{complaint}"):
        step(tmp_path, State(), ("basket_lines", "household_items", "bad"), tmp_path)


# --- any shop, any change ---------------------------------------------------------------------------------------

shoppers, goods = (
    st.sampled_from(["ann", "bob", "cat", "dan"]),
    st.sampled_from([item["item_id"] for item in ITEMS]),
)
money = st.floats(0.01, 99).map(lambda value: round(value, 2))


@st.composite
def purchases(draw: st.DrawFn, since: float, until: float) -> Row:
    """A purchase so many weeks before the moment; it may have become known later."""
    weeks = draw(st.floats(since, until))
    learned = weeks - draw(st.sampled_from([0, 0, 0, 1, 5]))
    basket = draw(st.sampled_from([None, "b1", "b2", "b3"]))
    return bought(
        draw(shoppers), basket, draw(goods), weeks, learned, value=draw(money), discount=draw(money)
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[State, State]:
    """A shop, and the same some weeks later: with new, late, corrected, removed events and another catalog."""
    old = [
        row | {"event_id": f"o{at}"} for at, row in enumerate(draw(st.lists(purchases(0.1, 30), max_size=12)))
    ]
    new = [
        row | {"event_id": f"n{at}"} for at, row in enumerate(draw(st.lists(purchases(-1.9, 12), max_size=6)))
    ]
    for row in new:
        if old and draw(st.booleans()):
            row["corrects"] = draw(st.sampled_from([*(row["event_id"] for row in old), "n0"]))
    gone = draw(st.sets(st.sampled_from(range(12)), max_size=1))
    stayed = [row for at, row in enumerate(old) if at not in gone]
    changed = [
        item | {"recommendable": draw(st.sampled_from([item["recommendable"]] * 5 + [True]))}
        for item in ITEMS
    ]
    before = State(tuple(old), from_week=draw(st.sampled_from([1, 20])))
    after = replace(before, events=(*stayed, *new), items=tuple(changed), weeks_later=draw(st.integers(0, 2)))
    return before, replace(after, from_week=before.from_week + after.weeks_later)


@settings(max_examples=25, deadline=None)
@given(histories())
def test_incremental__is_byte_for_byte_a_full_build(states: tuple[State, State]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for state in states:
            assert step(folder, state)[0] == full(folder, state)
