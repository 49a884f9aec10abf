"""What a request may choose by: attributes and exclusions, in every list."""

import sqlite3
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.recommender import Choice, Recommender
from serving.said import Said
from serving.schemas import Boost, Diversity, Only, PriceRange
from tests.serving.plane_under_test import Plane
from tests.serving.tiny_bundle import (
    BRANDS,
    CATEGORIES,
    DEPARTMENTS,
    IDS,
    NOW,
    tea_drinker,
)

PUT_PRICES = {"20": 5.0, "40": 3.0, "strange": 3.0}
"""Bread costs 5 from now on, and Apples, whose price nobody knew, 3."""
COST = [1.5, 5.0, 3.0, 3.0, 8.0, 12.0]

RECOMMEND, SIMILAR, SEARCH = "/v1/recommendations", "/v1/similar-items", "/v1/search"


def listed(plane: Plane, path: str, **body: Any) -> list[str]:
    status, answer = plane.ask("POST", path, body)
    assert status == 200, answer
    return [item["item_id"] for item in answer["items"]]


def test_only__holds_the_items_that_have_it(plane: Plane) -> None:
    assert listed(plane, RECOMMEND, user_id="1", only={"department": ["Drinks"]}) == ["50", "60"]
    assert listed(plane, RECOMMEND, user_id="nobody", only={"brand": ["Own"]}) == ["20", "30", "60"]
    both = {"brand": ["Own"], "department": ["Drinks", "Bakery"]}
    assert listed(plane, RECOMMEND, user_id="1", only=both) == ["20", "60"]
    assert listed(plane, SIMILAR, item_id="10", only={"category": ["Eggs"]}) == ["30"]


def test_only__of_a_name_that_nothing_has_is_an_empty_list(plane: Plane) -> None:
    assert listed(plane, RECOMMEND, user_id="1", only={"category": ["日本茶"]}) == []
    assert listed(plane, SIMILAR, item_id="10", only={"category": ["none such"]}) == []


def test_exclude__leaves_out_and_fills_up(plane: Plane) -> None:
    assert listed(plane, RECOMMEND, user_id="1", k=3, exclude=["50", "10", "strange"]) == ["40", "20", "30"]
    assert listed(plane, SIMILAR, item_id="10", k=2, exclude=["20"]) == ["30"]
    assert listed(plane, SIMILAR, item_id="10", k=2, exclude=["20", "30"]) == ["40", "50"]


def test_exclude__takes_ten_thousand_and_no_more(plane: Plane) -> None:
    many = [f"strange {number}" for number in range(9_999)]
    assert "50" not in listed(plane, RECOMMEND, user_id="1", exclude=[*many, "50"])
    status, answer = plane.ask("POST", RECOMMEND, {"user_id": "1", "exclude": [*many, "50", "60"]})
    assert (status, "10000" in answer["message"], "$.exclude" in answer["message"]) == (400, True, True)


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ({"colour": ["red"]}, "colour"),
        ({"brand": "Own"}, "$.only.brand"),
        ({"brand": []}, "$.only.brand"),
        ({"brand": [""]}, "$.only.brand"),
        ({"brand": ["x"] * 101}, "$.only.brand"),
        (["brand"], "$.only"),
        ({"price": 5}, "$.only.price"),
        ({"price": {"min": -0.01}}, "$.only.price.min"),
        ({"price": {"max": 1000000.5}}, "$.only.price.max"),
        ({"price": {"min": "1"}}, "$.only.price.min"),
        ({"price": {"from": 1}}, "from"),
        ({"price": {"min": 2, "max": 1}}, "`min` is 2, expected at most `max`, 1"),
    ],
)
def test_only__refuses_what_it_does_not_know(plane: Plane, only: Any, said: str) -> None:
    for path, asked in ((RECOMMEND, {"user_id": "1"}), (SIMILAR, {"item_id": "10"})):
        status, answer = plane.ask("POST", path, asked | {"only": only})
        assert status == 400
        assert said in answer["message"]


def test_only__by_price_holds_what_costs_so_much_and_nothing_whose_price_is_not_known(plane: Plane) -> None:
    for path, asked in (
        (RECOMMEND, {"user_id": "1"}),
        (RECOMMEND, {"items": ["strange"]}),
        (SEARCH, {"query": "own"}),
    ):
        costs = {"price": {"min": 2.49, "max": 8}}
        expected = {"20", "30"} if path == SEARCH else {"20", "30", "50"}
        assert set(listed(plane, path, **asked, only=costs)) == expected
    assert listed(plane, RECOMMEND, only={"price": {"max": 2.49}}) == ["10", "20"]
    assert listed(plane, RECOMMEND, only={"price": {"min": 8}, "brand": ["Own"]}) == ["60"]
    assert "40" not in listed(plane, RECOMMEND, only={"price": {}}), "nobody knows what Apples cost"
    dear = {"only": {"price": {"min": 12}}, "factor": 2}
    _, answer = plane.ask("POST", RECOMMEND, {"boost": [dear]})
    assert answer["items"][-1]["score"] == pytest.approx(0.2), "Coffee has .1, and is boosted"


def some(values: list[str | None]) -> st.SearchStrategy[tuple[str, ...] | None]:
    known = sorted({value for value in values if value})
    return st.none() | st.lists(st.sampled_from([*known, "none such"]), min_size=1, max_size=3).map(tuple)


@settings(max_examples=200)
@given(
    st.sets(st.sampled_from(IDS)),
    st.lists(st.sampled_from([*IDS, "strange"])).map(tuple),
    some([*DEPARTMENTS]),
    some([*CATEGORIES]),
    some([*BRANDS]),
    st.sampled_from([(), (Boost(Only(brand=("Own",)), 2.0), Boost(Only(department=("Drinks",)), 0.5))]),
    st.sampled_from([None, Diversity(same_type_limit=1), Diversity(repeat_limit=0)]),
    st.sampled_from([None, PriceRange(), PriceRange(3.0), PriceRange(max=4.99), PriceRange(3.0, 8.0)]),
)
def test_choice__is_all_that_is_asked_for_at_once(
    recommender: Recommender,
    withheld: set[str],
    exclude: tuple[str, ...],
    department: tuple[str, ...] | None,
    category: tuple[str, ...] | None,
    brand: tuple[str, ...] | None,
    boosts: tuple[Boost, ...],
    diversity: Diversity | None,
    price: PriceRange | None,
) -> None:
    only = Only(department=department, category=category, brand=brand, price=price)
    choice = Choice(Said(frozenset(withheld), PUT_PRICES), only, exclude, boosts, diversity)
    asked = [(department, DEPARTMENTS), (category, CATEGORIES), (brand, BRANDS)]
    left = {
        item_id
        for place, item_id in enumerate(IDS)
        if item_id not in withheld
        and item_id not in exclude
        and all(names is None or column[place] in names for names, column in asked)
        and (price is None or price.min <= COST[place] <= price.max)
    }
    for history in (tea_drinker(), tea_drinker().empty("nobody")):
        found = [place.item_id for place in recommender.recommend(history, NOW, 6, choice).items]
        assert len(found) == len(left)
        assert set(found) == left
    for basket in (["10"], ["50", "strange"], IDS, ["strange"]):
        for history in (None, tea_drinker(), tea_drinker().empty("nobody")):
            ranked = recommender.complements(basket, 6, choice, history, NOW)
            found = [place.item_id for place in ranked.items]
            assert len(found) == len(left - {*basket})
            assert set(found) == left - {*basket}
    for item_id in (*IDS, "strange"):
        found = [place.item_id for place in recommender.similar(item_id, 6, choice).items]
        assert set(found) <= left - {item_id}
        assert found or not left - {item_id}


def test_complements__completes_a_basket_and_says_how_often(plane: Plane) -> None:
    status, answer = plane.ask("POST", "/v1/complements", {"items": ["10", "50", "strange"], "k": 3})
    assert (status, answer["source"]) == (200, "complements")
    # Milk asks for Eggs (.7) and Bread (.5), Tea for Coffee (.5); of two alike the more popular comes first.
    assert [(place["title"], place["reason"]) for place in answer["items"]] == [
        ("Eggs", "with Milk in 8 baskets, 2.0 times as often as by chance"),
        ("Bread", "with Milk in 9 baskets, 3.0 times as often as by chance"),
        ("Coffee", "with Tea in 9 baskets, 3.0 times as often as by chance"),
    ]
    assert [place["score"] for place in answer["items"]] == pytest.approx([0.7, 0.5, 0.5])


def test_complements__of_a_known_shopper_weigh_the_basket_and_the_taste(plane: Plane) -> None:
    """Milk asks for Eggs .7 and Bread .5; the tea drinker's taste counts twice, each as a share of the best.

    Tea 2 * 1; Eggs 1 + 2 * .6 / 2.2; Bread 5 / 7 + 2 * .8 / 2.2; Apples 2 * 1.347368 / 2.2; Coffee 2 * .1 / 2.2.
    """
    status, answer = plane.ask("POST", "/v1/complements", {"items": ["10"], "user_id": "1"})
    assert (status, answer["source"]) == (200, "complements")
    assert [place["item_id"] for place in answer["items"]] == ["50", "30", "20", "40", "60"]
    expected = [2.0, 1 + 1.2 / 2.2, 5 / 7 + 1.6 / 2.2, 2.694736 / 2.2, 0.2 / 2.2]
    assert [place["score"] for place in answer["items"]] == pytest.approx(expected, rel=1e-5)
    assert answer["items"][0]["reason"] == "you bought it 2 times, last 7 days ago"
    assert answer["items"][1]["reason"] == "with Milk in 8 baskets, 2.0 times as often as by chance"
    assert listed(plane, "/v1/complements", items=["10"], user_id="nobody", k=3) == ["30", "20", "40"]


def test_recommendations__for_what_lies_before_a_shopper_are_its_complements(plane: Plane) -> None:
    cart = {"items": ["10"], "k": 3, "context": "cart"}
    assert listed(plane, RECOMMEND, user_id="1", **cart) == ["50", "30", "20"]
    assert listed(plane, "/v1/shadow/recommendations", user_id="1", **cart) == ["50", "30", "20"]
    assert listed(plane, RECOMMEND, **cart) == ["30", "20", "40"], "a session without an account"
    assert listed(plane, RECOMMEND, k=3) == ["10", "20", "30"], "nothing is known: popularity"
    assert listed(plane, RECOMMEND, items=["strange"], user_id="1", k=2) == ["50", "40"]


def test_boost__multiplies_and_is_bounded(plane: Plane) -> None:
    """Tea 2.2, Apples 1.347, Milk 1, Bread .8, Eggs .6, Coffee .1; of an own brand are Bread, Eggs and Coffee."""
    own = {"only": {"brand": ["Own"]}, "factor": 2}
    assert listed(plane, RECOMMEND, user_id="1", boost=[own]) == ["50", "20", "40", "30", "10", "60"]
    both = [own, {"only": {"department": ["Drinks"]}, "factor": 0.5}]
    assert listed(plane, RECOMMEND, user_id="1", boost=both) == ["20", "40", "30", "50", "10", "60"]
    assert listed(plane, RECOMMEND, boost=[own], k=3) == ["20", "30", "10"], "popularity is boosted, too"
    assert listed(plane, RECOMMEND, items=["10"], boost=[own], k=2) == ["30", "20"]
    for factor in (0.49, 2.01, -1, "2"):
        body = {"user_id": "1", "boost": [{"only": {"brand": ["Own"]}, "factor": factor}]}
        status, answer = plane.ask("POST", RECOMMEND, body)
        assert (status, "$.boost[0].factor" in answer["message"]) == (400, True)


def test_diversity__asks_each_ten_places(plane: Plane) -> None:
    none_again = {"diversity": {"repeat_limit": 0}}
    # Nothing that was bought before, Tea and Apples, stands before what was not; the list is filled all the same.
    assert listed(plane, RECOMMEND, user_id="1", **none_again) == ["10", "20", "30", "60", "50", "40"]
    assert listed(plane, RECOMMEND, user_id="nobody", **none_again) == ["10", "20", "30", "40", "50", "60"]
    status, answer = plane.ask("POST", RECOMMEND, {"user_id": "1", "diversity": {"same_type_limit": 0}})
    assert (status, "$.diversity.same_type_limit" in answer["message"]) == (400, True)


def test_recommendations__of_a_context_are_logged_with_it(plane: Plane) -> None:
    _, answer = plane.ask("POST", RECOMMEND, {"user_id": "1", "context": "email"})
    file = plane.folder / "state" / "impressions.db"
    query, found = "SELECT scenario FROM impressions WHERE request_id = ?", None
    for _ in range(100):
        with sqlite3.connect(file) as database:
            found = database.execute(query, (answer["request_id"],)).fetchone()
        if found:
            break
        time.sleep(0.05)
    assert found == ("recommendations.email",)
    status, refused = plane.ask("POST", RECOMMEND, {"user_id": "1", "context": "shelf"})
    assert (status, "$.context" in refused["message"]) == (400, True)


def test_complements__fills_up_by_popularity_and_chooses(plane: Plane) -> None:
    path = "/v1/complements"
    assert listed(plane, path, items=["50"]) == ["60", "10", "20", "30", "40"]
    assert listed(plane, path, items=["10"], only={"department": ["Bakery"]}) == ["20"]
    assert listed(plane, path, items=["10"], exclude=["30"], k=1) == ["20"]
    _, answer = plane.ask("POST", path, {"items": ["40"]})
    assert answer["source"] == "popularity"
    assert "40" not in [place["item_id"] for place in answer["items"]]


@pytest.mark.parametrize(
    ("items", "said"), [([], "$.items"), ([""], "$.items"), (["x"] * 501, "$.items"), ("10", "$.items")]
)
def test_complements__refuses_what_is_no_basket(plane: Plane, items: Any, said: str) -> None:
    status, answer = plane.ask("POST", "/v1/complements", {"items": items})
    assert status == 400
    assert said in answer["message"]
