"""The same operations in the same order give the same state, whichever store holds it."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.domain import History
from pipelines.ranking.running_campaigns import Limits
from serving.schemas import PutItem
from serving.showings import Shown, Wish
from serving.state import OPEN_ORDER, LoggedEvent, Refresh, ShopperState
from serving.stores import open_state
from tests.redis_under_test import RedisUnderTest
from tests.serving.tiny_bundle import DAY, NOW

USERS, ITEMS, BASKETS, EVENTS = ("1", "2", "日本"), ("10", "20", "30"), ("a", "b"), tuple("stuvwxyz")
# Moments of a purchase: some are old enough that nothing more is expected of their order.
moments = st.sampled_from([NOW - OPEN_ORDER - 1, NOW - OPEN_ORDER, NOW, NOW + 1])

CAMPAIGNS = ("18", "19", "キャンペーン")

purchases = st.builds(
    lambda name, kind, at, user, item, basket: LoggedEvent(
        name, kind, at, {"user_id": user, "item_id": item, "basket_id": basket}
    ),
    st.sampled_from(EVENTS),
    st.sampled_from(["purchase", "purchase", "view"]),
    moments,
    st.sampled_from(USERS),
    st.sampled_from(ITEMS),
    st.sampled_from(BASKETS),
)
redemptions = st.builds(
    lambda name, user, campaign: LoggedEvent(name, "redemption", NOW, {"user_id": user} | campaign),
    st.sampled_from(EVENTS),
    st.sampled_from(USERS),
    st.just({}) | st.sampled_from(CAMPAIGNS).map(lambda name: {"campaign_id": name}),
)
events = purchases | redemptions
lines = st.lists(st.tuples(moments, st.sampled_from(ITEMS)), max_size=4).map(lambda rows: sorted(set(rows)))
appends = st.tuples(st.just("append"), st.lists(events, max_size=5))
items = st.builds(
    PutItem,
    st.none() | st.integers(0, 1),
    st.booleans(),
    st.none() | st.sampled_from([0.5, 2.0]),
    st.none() | st.just("茶"),
)
puts = st.tuples(st.just("put"), st.tuples(st.sampled_from(ITEMS), items))
refreshes = st.tuples(
    st.just("refresh"),
    st.tuples(
        st.dictionaries(st.sampled_from(USERS), lines),
        st.lists(st.sampled_from(EVENTS)),
        st.integers(0, 8),
        st.none() | st.lists(st.sampled_from(["w-1", "w-2", "w-3"]), unique=True).map(tuple),
        st.lists(st.tuples(*map(st.sampled_from, (EVENTS, USERS, CAMPAIGNS))), max_size=5),
    ),
)
limits = st.builds(
    Limits,
    st.none() | st.integers(1, 2),
    st.sampled_from([0.5, 1.0, 7.0, 1e9]),
    st.none() | st.integers(0, 4),
    st.none() | st.integers(0, 3),
)
showings = st.tuples(
    st.just("show"),
    st.builds(
        Wish,
        st.sampled_from(USERS),
        st.sampled_from([NOW, NOW + DAY // 2, NOW + DAY - 1, NOW + DAY, NOW + 30 * DAY]),
        st.integers(1, 3),
        st.dictionaries(st.sampled_from(CAMPAIGNS), limits).map(lambda some: tuple(some.items())),
        st.just(0),
    ),
)


def history(user_id: str, rows: list[tuple[int, str]]) -> History:
    times = np.array([at for at, _ in rows], np.int64)
    baskets = np.unique(times, return_inverse=True)[1].astype(np.int32)
    return History(user_id, np.array([item for _, item in rows], dtype=np.str_), times, baskets)


def act(state: ShopperState, name: str, said: Any) -> Any:
    if name == "append":
        return asyncio.run(state.append(said))
    if name == "put":
        return asyncio.run(state.put(*said))
    if name == "show":
        return asyncio.run(state.show(said))
    landed, event_ids, judged, batches, redeemed = said
    made_of = None if batches is None else Refresh(NOW, 44, batches, "view", "items", judged)
    return state.replace_histories(
        [history(user, rows) for user, rows in landed.items()], event_ids, judged, made_of, redeemed
    )


LIMITS_OF_NONE = [Limits(0, 1.0, None, None), Limits(None, 1.0, 0, None), Limits(None, 1.0, None, 0)]


def counted(state: ShopperState) -> list[Shown]:
    """What is counted of each campaign and shopper: wishes that are never granted, and so say it and change nothing."""
    asked = [(name, none) for name in CAMPAIGNS for none in LIMITS_OF_NONE]
    found = [
        asyncio.run(state.show(Wish(user, now, 1, asked, 0))) for user in USERS for now in (NOW, NOW + DAY)
    ]
    assert not any(one.campaign_ids for one in found)
    return found


def seen(state: ShopperState) -> Any:
    """All that can be seen of a state, but when things were received."""

    def of(user_id: str) -> Any:
        known = state.known(user_id)
        columns = (known.history.items, known.history.times, known.history.baskets)
        which = known.refresh, known.posted_through, known.was_read
        return [column.tolist() for column in columns], which, state.redeemed(user_id)

    log = [row[:3] for row in state.posted(0, 1000)]
    assert [row[:3] for row in state.posted(1, 2)] == log[1:3]
    assert state.posted_through() == len(log)
    return (
        [of(user_id) for user_id in (*USERS, "nobody")],
        state.user_ids(),
        state.fresh_event_ids(),
        log,
        state.refreshes(),
        state.said(),
        counted(state),
    )


def order_of(at: int) -> list[tuple[str, Any]]:
    """An order whose first line lands, whose rest is posted after the moment at which it may be forgotten."""
    body = {"user_id": "1", "basket_id": "a"}
    line, rest = (
        LoggedEvent(name, "purchase", at, body | {"item_id": item})
        for name, item in (("s", "10"), ("t", "20"))
    )
    refresh = ({"1": [(at, "10")]}, ["s"], 1, (), ())
    return [("append", [line]), ("refresh", refresh), ("append", [rest])]


def redeemed_thrice() -> list[tuple[str, Any]]:
    """Of three posted redemptions one is judged, one lands, and one waits; then the landed one is corrected."""
    body = {"user_id": "1", "campaign_id": "18"}
    posted = [LoggedEvent(name, "redemption", NOW, body) for name in "stu"]
    first, second = [("t", "1", "18")], list[tuple[str, str, str]]()
    return [
        ("append", posted),
        ("refresh", ({}, [], 1, None, first)),
        ("refresh", ({}, [], 1, None, second)),
        ("refresh", ({}, [], 3, None, second)),
    ]


@example(operations=redeemed_thrice())
@example(operations=order_of(NOW - OPEN_ORDER))
@example(operations=order_of(NOW - OPEN_ORDER - 1))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(appends | puts | refreshes | showings, min_size=1, max_size=8))
def test_stores__show_the_same_after_the_same(
    redis_server: RedisUnderTest, operations: list[tuple[str, Any]]
) -> None:
    with TemporaryDirectory() as folder:
        one = open_state("", Path(folder) / "shopper.db")
        other = open_state(redis_server.new_url(), Path(folder) / "none.db")
        with closing(one), closing(other):
            for name, said in operations:
                assert act(one, name, said) == act(other, name, said)
                assert seen(one) == seen(other)


def test_stores__are_two_kinds(new_place: Callable[[], Any]) -> None:
    place = new_place()
    with closing(place.open()) as state:
        asyncio.run(state.put("10", PutItem(stock=0)))
        assert state.said().withheld == {"10"}
    assert place.path.exists() == (place.url == "")
