"""An item that no bundle knows is found from the next answer on, in every process, and keeps every rule."""

import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.domain import RankedList
from serving.new_items import MOST, NewItems
from serving.recommender import Choice, Recommender
from serving.said import NOTHING_SAID
from serving.schemas import Only, PriceRange, PutItem
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import Plane, Starter, purchase
from tests.serving.tiny_bundle import IDS, NOW, tea_drinker

NEW, SEARCH = "/v1/new-arrivals", "/v1/search"
GREEN = {"title": "Green tea 茶", "department": "Drinks", "type": "Tea", "brand": "Own", "price": 4.5}


def titles(plane: Plane, path: str, **asked: Any) -> list[str]:
    status, answer = plane.ask("POST", path, asked)
    assert status == 200, answer
    return [item["title"] for item in answer["items"]]


@on_each_store
def test_put_item__that_is_new_is_in_the_next_answer_of_another_process_and_after_a_kill(
    start: Starter,
) -> None:
    first, second = start(), start()
    first.wait()
    second.wait()
    assert titles(second, NEW) == ["Eggs", "Tea", "Coffee"]
    assert titles(second, SEARCH, query="green") == []
    for number in range(10):
        assert first.put("new/茶", **GREEN, stock=number % 2)[0] == 200
        found = ["Green tea 茶"] * (number % 2)
        assert titles(second, NEW) == ["Eggs", "Tea", *found, "Coffee"]
        assert titles(second, SEARCH, query="green") == found
        assert titles(second, SEARCH, query="茶") == found
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    third = start()
    third.wait()
    assert titles(third, NEW) == ["Eggs", "Tea", "Green tea 茶", "Coffee"]


def test_new_items__keep_to_what_is_asked_for(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.put("n", **GREEN)
    plane.put("no title", type="Tea", price=1)
    everything = ["Eggs", "Tea", "Green tea 茶", "Coffee"]
    assert titles(plane, NEW) == everything
    assert titles(plane, NEW, k=3) == everything[:3]
    assert titles(plane, NEW, only={"brand": ["Own"]}) == ["Eggs", "Coffee", "Green tea 茶"]
    assert titles(plane, NEW, only={"category": ["Eggs", "Coffee"]}) == ["Eggs", "Coffee"]
    assert titles(plane, NEW, only={"price": {"min": 4, "max": 5}}) == ["Green tea 茶"]
    assert titles(plane, NEW, only={"price": {"max": 4}}) == ["Eggs"]
    assert titles(plane, NEW, exclude=["n", "30"]) == ["Tea", "Coffee"]
    assert titles(plane, SEARCH, query="tea", exclude=["n"]) == ["Tea"]
    assert titles(plane, SEARCH, query="nothing like it") == []
    plane.post(purchase("b-1", user_id="2", item_id="n"))
    assert titles(plane, NEW, user_id="2") == ["Eggs", "Tea", "Coffee"], "what was bought is not new"
    ranked = plane.ask("POST", "/v1/rank", {"user_id": "1", "items": ["n", "50"]})[1]["items"]
    assert [item["title"] for item in ranked] == ["Tea", "Green tea 茶"]
    plane.put("n", **GREEN, hidden=True)
    assert titles(plane, NEW) == ["Eggs", "Tea", "Coffee"]


def test_new_items__that_the_bundle_knows_are_the_bundle_s(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.put("50", title="Something else", type="Eggs", department="Bakery")
    assert titles(plane, NEW) == ["Eggs", "Tea", "Coffee"]
    assert titles(plane, SEARCH, query="something") == []
    assert titles(plane, NEW, only={"department": ["Bakery"]}) == []


def test_arrivals__have_a_new_item_in_the_third_of_each_five_places(recommender: Recommender) -> None:
    puts = {name: PutItem(title=name) for name in ("a", "b", "c")}
    choice = Choice(NOTHING_SAID.after([*puts.items()]))
    stranger = tea_drinker().empty("nobody")

    def found(k: int, choice: Choice) -> list[tuple[str, float]]:
        ranked = recommender.new_arrivals(stranger, NOW, k, choice)
        return [(place.item_id, round(place.score, 2)) for place in ranked.items]

    whole = [("30", 0.6), ("50", 0.2), ("c", 0.2), ("60", 0.1), ("b", 0.1), ("a", 0.1)]
    assert [found(k, choice) for k in range(1, 8)] == [whole[:k] for k in range(1, 8)]
    drinks = Choice(choice.said, Only(department=("Drinks",)))
    assert found(3, drinks) == [("50", 0.2), ("60", 0.1)]
    assert found(9, Choice(choice.said, exclude=("30", "50", "60"))) == [("c", 0), ("b", 0), ("a", 0)]


def test_arrivals__order_new_items_by_how_much_of_their_kind_was_bought(recommender: Recommender) -> None:
    """The tea drinker has bought one thing of the type Apples and one of the type Tea, of Drinks one."""
    puts = {
        "apple": PutItem(title="Red apples", type="Apples"),
        "tea": PutItem(title="Green tea", type="Tea", department="Drinks"),
        "drink": PutItem(title="A drink", type="none such", department="Drinks"),
        "none": PutItem(title="of no kind"),
        "milk": PutItem(title="Oat milk", type="Milk", category="Dairy", department="Chilled"),
    }
    choice = Choice(NOTHING_SAID.after([*puts.items()]))
    mine = [
        place
        for place in recommender.new_arrivals(tea_drinker(), NOW, 10, choice).items
        if place.item_id in puts
    ]
    assert [(place.item_id, place.reason) for place in mine] == [
        ("tea", "new in this shop; of Tea you bought 1"),
        ("apple", "new in this shop; of Apples you bought 1"),
        ("drink", "new in this shop; of Drinks you bought 1"),
        ("milk", "new in this shop"),
        ("none", "new in this shop"),
    ]
    stranger = recommender.new_arrivals(tea_drinker().empty("nobody"), NOW, 10, choice)
    new = [place.item_id for place in stranger.items if place.item_id in puts]
    assert new == ["milk", "none", "drink", "tea", "apple"], "what was put last goes first"


def test_search__puts_a_new_item_where_its_share_of_the_words_belongs(recommender: Recommender) -> None:
    puts = {"a": PutItem(title="Oat milk"), "b": PutItem(title="Milky bar"), "c": PutItem(title="Oat flakes")}
    choice = Choice(NOTHING_SAID.after([*puts.items()]))

    def found(query: str) -> list[tuple[str, float]]:
        ranked = recommender.search(query, tea_drinker().empty(""), NOW, 10, choice)
        return [(place.item_id, place.score) for place in ranked.items]

    assert found("milk") == [("10", 1.5), ("a", 1.0)]
    assert found("oats mil") == [("10", 1.5), ("a", 1.0), ("c", 0.5), ("b", 0.5)]
    assert found("mil oats") == [("c", 0.5), ("a", 0.5)], "the last word alone may be unfinished"
    assert found("none such") == found("") == []


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from([*IDS, "x", "y", "z"]),
        st.builds(
            PutItem,
            stock=st.none() | st.integers(0, 1),
            hidden=st.booleans(),
            price=st.none() | st.sampled_from([1.0, 9.0]),
            title=st.none() | st.sampled_from(["Tea", "New milk"]),
            type=st.none() | st.sampled_from(["Tea", "Eggs", "none such"]),
            brand=st.none() | st.just("Own"),
        ),
    ),
    st.lists(st.sampled_from(["10", "x", "y"])).map(tuple),
    st.sampled_from(
        [None, Only(brand=("Own",)), Only(type=("Tea",), price=PriceRange(max=5.0)), Only(price=PriceRange())]
    ),
    st.integers(1, 9),
)
def test_lists__hold_no_new_item_that_may_not_be_shown_and_each_that_may(
    recommender: Recommender, puts: dict[str, PutItem], exclude: tuple[str, ...], only: Only | None, k: int
) -> None:
    choice = Choice(NOTHING_SAID.after([*puts.items()]), only, exclude)
    may = {
        name
        for name, item in puts.items()
        if name not in IDS and not item.is_withheld and item.title and name not in exclude
        if only is None
        or (
            (only.brand is None or item.brand == "Own")
            and (only.type is None or item.type == "Tea")
            and (only.price is None or (item.price is not None and item.price <= only.price.max))
        )
    }
    never = {name for name, item in puts.items() if item.is_withheld} | {*exclude}

    def ids(ranked: RankedList) -> list[str]:
        found = [place.item_id for place in ranked.items]
        assert len(found) == len({*found}) <= k
        assert not never & {*found}
        return found

    for history in (tea_drinker(), tea_drinker().empty("nobody")):
        arrivals = ids(recommender.new_arrivals(history, NOW, k, choice))
        assert {*arrivals} - {*IDS} <= may
        assert k < 9 or {*arrivals} >= may
        words = ids(recommender.search("tea milk", history, NOW, k, choice))
        assert {*words} - {*IDS} <= may
        assert k < 9 or {*words} >= may
        assert {*ids(recommender.recommend(history, NOW, k, choice))} <= {*IDS}
        assert {*ids(recommender.complements(["20", "x"], k, choice, history, NOW))} <= {*IDS}
    assert {*ids(recommender.similar("x", k, choice))} <= {*IDS}
    shown = recommender.rank(tea_drinker(), NOW, ["x", "y", "10"], choice.said.withheld)
    assert not choice.said.withheld & {place.item_id for place in shown.items}


def test_new_items__that_fail_leave_the_model_s_list(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    choice = Choice(NOTHING_SAID.after([("n", PutItem(title="Green tea"))]))
    monkeypatch.setattr(NewItems, "among_arrivals", fail)
    monkeypatch.setattr(NewItems, "among_matches", fail)
    found = recommender.new_arrivals(tea_drinker(), NOW, 3, choice)
    assert [place.item_id for place in found.items] == ["30", "50", "60"]
    assert [place.item_id for place in recommender.search("tea", tea_drinker(), NOW, 3, choice).items] == [
        "50"
    ]


def test_new_items__beyond_the_most_are_those_put_first(recommender: Recommender) -> None:
    many = {f"n-{number}": PutItem(title="Tea") for number in range(MOST + 1)}
    new = NewItems(recommender._model, many)
    assert (len(new.items), "n-0" in new.items, f"n-{MOST}" in new.items) == (MOST, False, True)
