"""Shopper state and group commit, without a server."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.contracts.events import ABOUT_AN_ITEM, EVENT_TYPES
from pipelines.domain import History
from pipelines.features.build import build_views
from pipelines.ranking.running_campaigns import Limits
from serving import schemas
from serving.group_commit import GroupCommit, connect
from serving.showings import Shown, Wish
from serving.state import LoggedEvent, ShopperState
from tests.conftest import Place
from tests.serving.tiny_bundle import NOW, WEEK, tea_drinker


@pytest.fixture
def state(place: Place) -> Iterator[ShopperState]:
    state = place.open()
    state.replace_histories([tea_drinker("1")])
    yield state
    state.close()


def append(state: ShopperState, *events: LoggedEvent) -> int:
    return asyncio.run(state.append(list(events)))


def bought(event_id: str, item_id: str, at: int, basket: str = "b", user_id: str = "1") -> LoggedEvent:
    return LoggedEvent(
        event_id, "purchase", at, {"user_id": user_id, "item_id": item_id, "basket_id": basket}
    )


def test_schemas__event_types_are_the_contract_s() -> None:
    assert schemas.EventType.__args__ == EVENT_TYPES
    assert frozenset(ABOUT_AN_ITEM) == schemas.ABOUT_AN_ITEM


def test_history__survives_the_round_trip(state: ShopperState) -> None:
    found, expected = state.history("1"), tea_drinker("1")
    assert found.items.tolist() == expected.items.tolist()
    assert found.times.tolist() == expected.times.tolist()
    assert found.baskets.tolist() == expected.baskets.tolist()


def test_history__unknown_shopper_is_empty(state: ShopperState) -> None:
    assert len(state.history("nobody").items) == 0


def test_history__posted_purchases_join_in_order_of_time(state: ShopperState) -> None:
    append(
        state,
        bought("late", "20", NOW),
        bought("late-too", "10", NOW),
        bought("late-again", "10", NOW),  # the same item of the same basket: a basket is a set
        bought("other-till", "10", NOW, basket="c"),
        bought("between", "30", NOW - WEEK - 5, basket="a"),
    )
    found = state.history("1")
    assert found.items.tolist() == ["40", "50", "30", "50", "10", "20", "10"]
    assert found.baskets.tolist() == [0, 0, 1, 2, 3, 3, 4]
    assert (np.diff(found.times) >= 0).all()


def test_history__lines_of_one_order_are_one_basket_at_the_earliest(
    state: ShopperState,
) -> None:
    second = 1_000_000
    append(
        state,
        bought("line-2", "20", NOW + second, basket="order"),
        bought("line-3", "10", NOW + 2 * second, basket="order"),
        bought("line-1", "30", NOW, basket="order"),
        bought("line-4", "20", NOW + 3 * second, basket="order"),  # more of what the order holds already
        bought("in-between", "60", NOW + second, basket="another"),
        bought("neighbour", "10", NOW - second, basket="order", user_id="2"),
    )
    found = state.history("1")
    assert found.items[3:].tolist() == ["10", "20", "30", "60"]
    assert found.times[3:].tolist() == [NOW, NOW, NOW, NOW + second]
    assert found.baskets.tolist() == [0, 0, 1, 2, 2, 2, 3]


Line = tuple[str, int, str]  # item, seconds after NOW, basket


def rows_of(history: History) -> list[tuple[str, int, int]]:
    columns = (history.items, history.times, history.baskets)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def through_the_state(place: Place, lines: list[Line]) -> list[tuple[str, int, int]]:
    with closing(place.open()) as state:
        append(
            state,
            *(
                bought(str(n), item, NOW + at * 1_000_000, basket)
                for n, (item, at, basket) in enumerate(lines)
            ),
        )
        return rows_of(state.history("1"))


def through_the_view(folder: Path, lines: list[Line]) -> list[tuple[str, int, int]]:
    shared = {"event_type": "purchase", "user_id": "1", "quantity": 1.0, "value": 2.0, "week": 44}
    now = datetime.fromtimestamp(NOW / 1e6, UTC)
    events = [
        shared
        | {"event_id": str(n), "item_id": item, "basket_id": basket}
        | {"occurred_at": now + timedelta(seconds=at), "ingested_at": now + timedelta(seconds=at)}
        for n, (item, at, basket) in enumerate(lines)
    ]
    pq.write_table(pa.Table.from_pylist(events), folder / "events.parquet")
    items = pa.table({"item_id": ["10", "20", "30"], "recommendable": [True] * 3})
    pq.write_table(items, folder / "items.parquet")
    files = folder / "events.parquet", folder / "items.parquet"
    build_views(("basket_lines",), *files, NOW + WEEK, 45, folder)
    found = pq.read_table(folder / "basket_lines.parquet").to_pylist()
    return [(line["item_id"], line["occurred_us"], line["basket"]) for line in found]


lines_of_orders = st.lists(
    st.tuples(st.sampled_from(["10", "20", "30"]), st.integers(0, 3), st.sampled_from(["a", "b", "c"])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=lines_of_orders)
def test_history__makes_the_baskets_that_the_view_makes(
    new_place: Callable[[], Place], lines: list[Line]
) -> None:
    with TemporaryDirectory() as folder:
        assert through_the_state(new_place(), lines) == through_the_view(Path(folder), lines)


def test_replace_histories__forgets_what_landed_or_was_judged_and_keeps_the_rest(
    state: ShopperState,
) -> None:
    events = [bought(name, "60", NOW, basket=name, user_id="2") for name in ("judged", "landed", "fresh")]
    append(state, *events)
    assert state.replace_histories([], landed_event_ids=["landed"], judged_through=1) == 0
    assert state.fresh_event_ids() == ["fresh"]
    assert len(state.history("1").items) == 0


def test_replace_histories__a_failure_half_way_changes_nothing(state: ShopperState) -> None:
    def histories():  # type: ignore[no-untyped-def]
        yield tea_drinker("2")
        raise OSError("the landing store went away")

    with pytest.raises(OSError, match="went away"):
        state.replace_histories(histories())
    assert len(state.history("1").items) == 3
    assert len(state.history("2").items) == 0


def test_replace_histories__readers_see_all_or_nothing(place: Place) -> None:
    writer = place.open()
    append(writer, *(bought(f"e{number}", "60", NOW, basket=f"{number}") for number in range(30)))
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        with closing(place.open()) as reader:
            while not stop.is_set():
                seen.append(len(reader.history("1").items))

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(30):  # each purchase is fresh or landed, never both and never neither
        landed = History(
            "1",
            np.array(["60"] * (number + 1)),
            np.full(number + 1, NOW),
            np.arange(number + 1, dtype=np.int32),
        )
        writer.replace_histories([landed], landed_event_ids=[f"e{number}"])
    stop.set()
    thread.join()
    writer.close()
    assert set(seen) == {30}
    assert len(seen) > 10


def test_append_events__first_of_an_id_wins(state: ShopperState) -> None:
    assert append(state, bought("e", "60", NOW), bought("e", "10", NOW)) == 1
    assert state.history("1").items.tolist() == ["40", "50", "50", "60"]


def showings_kept(place: Place) -> int:
    if place.url:
        with redis.Redis.from_url(place.url) as server:
            pairs = server.keys("shoploop:showings:*")
            assert len(pairs) == server.zcard("shoploop:showing_times")
            return sum(server.zcard(pair) for pair in pairs)
    with closing(sqlite3.connect(place.path)) as database:
        return int(database.execute("SELECT count(*) FROM showings").fetchone()[0])


def test_show__forgets_what_is_old_a_little_at_a_time_and_knows_its_number(
    place: Place, state: ShopperState
) -> None:
    limits = Limits(1, 7, 300, None)

    async def show(*users: str, now: int = NOW) -> list[Shown]:
        wishes = (Wish(user, now, 1, [("18", limits)], now - WEEK) for user in users)
        return await asyncio.gather(*map(state.show, wishes))

    asyncio.run(show(*map(str, range(250))))
    assert showings_kept(place) == 250
    assert asyncio.run(show("7", now=NOW + WEEK - 1))[0].campaign_ids == ()
    assert asyncio.run(show("7", now=NOW + WEEK))[0].campaign_ids == ("18",)
    assert 150 <= showings_kept(place) <= 152
    asyncio.run(show("8", "9", now=NOW + WEEK))
    assert showings_kept(place) == 3
    shown = [one.campaign_ids for one in asyncio.run(show(*map(str, range(300, 348)), now=NOW + WEEK))]
    assert shown == [("18",)] * 47 + [()]


def test_group_commit__fails_every_write_of_a_group_that_cannot_be_stored(tmp_path: Path) -> None:
    connection = connect(tmp_path / "full.db", "CREATE TABLE IF NOT EXISTS rows (content BLOB)")
    connection.execute("PRAGMA max_page_count = 4")  # a disk with room for four pages

    def insert(database: sqlite3.Connection, content: bytes) -> None:
        database.execute("INSERT INTO rows VALUES (?)", (content,))

    writer: GroupCommit[bytes, None] = GroupCommit(connection, insert)
    writer.submit(b"small").result(timeout=30)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.submit(b"x" * 100_000).result(timeout=30)
    writer.submit(b"small again").result(timeout=30)
    writer.close()
    with connect(tmp_path / "full.db", "") as reader:
        assert reader.execute("SELECT COUNT(*) FROM rows").fetchone() == (2,)


def test_group_commit__close_writes_what_waits(tmp_path: Path) -> None:
    connection = connect(tmp_path / "log.db", "CREATE TABLE IF NOT EXISTS rows (content TEXT)")
    writer: GroupCommit[str, object] = GroupCommit(
        connection,
        lambda database, row: database.execute("INSERT INTO rows VALUES (?)", (row,)).rowcount,
        linger=0.2,
    )
    waiting = [writer.submit(str(number)) for number in range(1200)]
    writer.close()
    assert all(future.result(timeout=0) == 1 for future in waiting)
    with connect(tmp_path / "log.db", "") as reader:
        assert reader.execute("SELECT COUNT(*) FROM rows").fetchone() == (1200,)
