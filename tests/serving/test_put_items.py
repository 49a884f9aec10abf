"""What a shop puts of an item holds from the next answer on, in every list, in every process, and after a kill."""

import asyncio
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.recommender import Choice, Recommender
from serving.said import Said
from serving.schemas import PutItem
from serving.state import ShopperState
from tests.conftest import Place
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import ADMIN_TOKEN, TOKEN, Plane, Starter, purchase
from tests.serving.tiny_bundle import IDS, NOW, tea_drinker, write_tiny_bundle

ITEM = "/v1/items/50"


def listed(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def every_list(plane: Plane) -> dict[str, list[str]]:
    """By each way that leads to a list."""
    asked = {
        "blend": ("/v1/recommendations", {"user_id": "1"}),
        "popularity": ("/v1/recommendations", {"user_id": "nobody"}),
        "shadow": ("/v1/shadow/recommendations", {"user_id": "1"}),
        "cooccurrence": ("/v1/similar-items", {"item_id": "60"}),
        "complements": ("/v1/complements", {"items": ["60", "40"]}),
        "own basket": ("/v1/complements", {"items": ["60", "40"], "user_id": "1"}),
        "cart": ("/v1/recommendations", {"items": ["60", "40"], "user_id": "1", "context": "cart"}),
        "session": ("/v1/recommendations", {"items": ["60"]}),
        "lonely": ("/v1/similar-items", {"item_id": "40"}),
        "unknown": ("/v1/similar-items", {"item_id": "no such item"}),
    }
    found = {}
    for name, (path, body) in asked.items():
        status, answer = plane.ask("POST", path, body)
        assert status == 200, answer
        found[name] = listed(answer)
    return found


@pytest.fixture
def state(place: Place) -> Iterator[ShopperState]:
    state = place.open()
    yield state
    state.close()


@on_each_store
def test_put_item__out_of_stock_is_in_no_list_and_back_in_stock_in_all_again(start: Starter) -> None:
    plane = start()
    plane.wait()
    before = every_list(plane)
    assert all("50" in found for found in before.values())

    assert plane.put("50", stock=0)[1]["is_shown"] is False
    assert all("50" not in found for found in every_list(plane).values())

    assert plane.put("50", stock=3)[1]["is_shown"] is True
    assert every_list(plane) == before


@on_each_store
def test_put_item__hidden_stays_so_after_a_kill_and_what_is_left_out_is_as_it_was(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.put("50", hidden=True)
    plane.process.send_signal(signal.SIGKILL)
    plane.process.wait()
    again = start()
    again.wait()
    assert all("50" not in found for found in every_list(again).values())
    again.put("50")
    assert "50" in listed(again.recommend("1"))


@on_each_store
def test_put_item__holds_in_the_other_processes_of_a_home_at_once(start: Starter) -> None:
    first, second = start(), start()
    first.wait()
    second.wait()
    for number in range(20):
        stock = number % 2
        assert first.put("50", stock=stock)[0] == 200
        assert ("50" in listed(second.recommend("1"))) == bool(stock)


@on_each_store
def test_put_item__its_price_holds_in_the_other_processes_at_once_and_after_a_kill(start: Starter) -> None:
    def cheap(plane: Plane) -> list[str]:
        _, answer = plane.ask("POST", "/v1/recommendations", {"only": {"price": {"max": 2.0}}})
        return listed(answer)

    first, second = start(), start()
    first.wait()
    second.wait()
    assert cheap(second) == ["10"]
    for price in (1.99, 2.01, 2.0):
        assert first.put("40", price=price) == (200, {"request_id": ANY, "item_id": "40", "is_shown": True})
        assert cheap(second) == (["10", "40"] if price <= 2 else ["10"])
    first.put("10", price=2.5, stock=3)
    assert cheap(second) == ["40"]
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    third = start()
    third.wait()
    assert cheap(third) == ["40"]
    third.put("10", stock=3)
    assert cheap(third) == cheap(second) == ["10", "40"], "what is left out is as it was"


def test_put_item__a_bundle_from_before_there_were_prices_knows_those_alone_that_were_put(
    start: Starter, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "plane" / "bundle", prices=None)
    plane = start(bundle=False)
    plane.wait()
    asked = {"only": {"price": {"min": 0}}}
    assert listed(plane.ask("POST", "/v1/recommendations", asked)[1]) == []
    plane.put("30", price=1)
    assert listed(plane.ask("POST", "/v1/recommendations", asked)[1]) == ["30"]
    assert "carries no prices" in plane.log


@on_each_store
def test_put_item__a_catalog_that_is_all_withheld_gives_empty_lists(start: Starter) -> None:
    plane = start()
    plane.wait()
    for item_id in IDS:
        plane.put(item_id, stock=0)
    assert set(map(tuple, every_list(plane).values())) == {()}


@on_each_store
def test_put_item__that_no_catalog_knows_is_kept_and_disturbs_nothing(start: Starter) -> None:
    plane = start()
    plane.wait()
    for item_id in ("日本茶", "a/b c", "x" * 128, "' OR 1=1 --"):
        status, answer = plane.put(item_id, stock=0)
        assert (status, answer["item_id"]) == (200, item_id)
    assert "50" in listed(plane.recommend("1"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"stock": -1}', "$.stock"),
        ('{"stock": 1.5}', "$.stock"),
        ('{"hidden": "yes"}', "$.hidden"),
        ('{"price": 0}', "$.price"),
        ('{"price": -1}', "$.price"),
        ('{"price": "1"}', "$.price"),
        ('{"price": 1000000.01}', "$.price"),
        ('{"price": 1e999}', "out of range"),
        ('{"price": NaN}', "not JSON"),
        ('{"title": ""}', "$.title"),
        ('{"title": 1}', "$.title"),
        ('{"title": "%s"}' % ("x" * 513), "$.title"),
        ('{"type": "%s"}' % ("x" * 257), "$.type"),
        ('{"brand": ["Own"]}', "$.brand"),
        ('{"colour": "red"}', "colour"),
        ("[]", "object"),
        ("", "not JSON"),
    ],
)
def test_put_item__refuses_what_it_does_not_know(plane: Plane, body: str, said: str) -> None:
    status, answer = plane.ask("PUT", ITEM, body, {"authorization": f"Bearer {ADMIN_TOKEN}"})
    assert status == 400
    assert said in answer["message"]
    assert "50" in listed(plane.recommend("1"))


def test_put_item__refuses_too_long_an_id_and_none(plane: Plane) -> None:
    assert plane.put("x" * 129)[0] == 400
    assert plane.put("")[0] == 404


@pytest.mark.parametrize(
    ("header", "status"),
    [({}, 401), ({"authorization": f"Bearer {TOKEN}"}, 403), ({"authorization": ADMIN_TOKEN}, 401)],
)
def test_put_item__asks_for_a_key_of_the_shop(plane: Plane, header: dict[str, str], status: int) -> None:
    assert plane.ask("PUT", ITEM, {"hidden": True}, header)[0] == status
    assert "50" in listed(plane.recommend("1"))


def test_put_item__that_cannot_be_written_says_so_and_what_was_known_goes_on(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.put("50", stock=0)
    with closing(sqlite3.connect(plane.state_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # as a process that writes and hangs
        status, answer = plane.put("10", stock=0)
        assert (status, answer["error"]) == (503, "items_unavailable")
        assert listed(plane.recommend("nobody"))[0] == "10"
        other.execute("ROLLBACK")
    assert all("50" not in found for found in every_list(plane).values())


def test_put_item__of_a_table_that_is_broken_goes_by_what_was_known(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.put("50", stock=0)
    plane.recommend("1")
    with closing(sqlite3.connect(plane.state_file)) as other:
        other.execute("ALTER TABLE put_items RENAME TO gone")
    assert all("50" not in found for found in every_list(plane).values())
    assert "items cannot be read" in plane.log


@on_each_store
def test_put_item__under_load_no_answer_that_began_later_shows_it(start: Starter) -> None:
    plane = start()
    plane.wait()
    wrong: list[int] = []

    def ask() -> None:
        for number in range(100):
            if "50" in listed(plane.recommend("1")):
                wrong.append(number)

    plane.put("50", stock=0)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        plane.put("60", stock=number % 2)
        plane.post(purchase(f"load-{number}", user_id="1", item_id="50"))
    for thread in threads:
        thread.join()
    assert wrong == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.dictionaries(
        st.sampled_from([*IDS, "strange"]), st.builds(PutItem, st.none() | st.integers(0, 1), st.booleans())
    ),
    k=st.integers(1, 8),
    item_id=st.sampled_from([*IDS, "strange"]),
)
def test_recommender__no_list_of_any_kind_holds_what_is_withheld_and_none_is_short_of_the_rest(
    recommender: Recommender, state: ShopperState, said: dict[str, PutItem], k: int, item_id: str
) -> None:
    async def put_all() -> None:  # what was said in the example before is gone
        items = {name: said.get(name, PutItem()) for name in (*IDS, "strange")}
        await asyncio.gather(*(state.put(name, item) for name, item in items.items()))

    asyncio.run(put_all())
    withheld = {name for name, item in said.items() if item.hidden or item.stock == 0}
    kept = Choice(state.said())
    left = [item for item in IDS if item not in withheld]
    shoppers = [tea_drinker(), tea_drinker().empty("nobody")]
    for history in shoppers:
        found = [place.item_id for place in recommender.recommend(history, NOW, k, kept).items]
        assert set(found) <= set(left)
        assert len(found) == min(k, len(left))
    similar = [place.item_id for place in recommender.similar(item_id, k, kept).items]
    assert set(similar) <= set(left) - {item_id}
    if set(left) - {item_id}:
        assert similar


def test_recommender__that_fails_answers_by_popularity_without_what_is_withheld(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(recommender._model, "recommend", fail)
    monkeypatch.setattr(recommender._model, "similar", fail)
    kept = Choice(Said(frozenset(["10", "30"])))
    assert [place.item_id for place in recommender.recommend(tea_drinker(), NOW, 3, kept).items] == [
        "20",
        "40",
        "50",
    ]
    assert [place.item_id for place in recommender.similar("20", 3, kept).items] == ["40", "50", "60"]


def test_tokens__are_made_once_for_an_installation(tmp_path: Path) -> None:
    from pipelines.settings import Settings
    from pipelines.stack.passwords import passwords

    here = Settings(home=tmp_path)
    first = passwords(here)
    assert passwords(here) == first
    assert len({first.admin_token, first.events_token}) == 2
    assert len(first.admin_token) >= 32
