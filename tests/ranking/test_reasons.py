"""Why an item stands in a list: the first of a shop's reasons that holds."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.domain import History
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.catalog import Catalog
from pipelines.ranking.generators import Generators
from pipelines.ranking.reasons import reasons
from pipelines.retrieval.markov import Transitions

DAY = 86_400_000_000
NOW = 400 * DAY
CATALOG = Catalog(
    np.array(["a", "b", "c", "d", "e"]),
    ["Apples", "Bread", "Cheese", "Dill", "Eggs"],
    popularity=np.ones(5, np.float32),
    reach=np.zeros(5, np.float32),
    kind=np.zeros(5, np.int32),
    first_sold=np.zeros(5, np.int64),
    sellable=np.array([0, 2, 3, 4]),
    attributes=Attributes({}, {}),
)
AFTER_BREAD = Transitions(np.array([0, 0, 1, 1, 1, 1]), np.array([2], np.int32), np.array([1.0], np.float32))
GENERATORS = Generators(CATALOG, ("markov",), AFTER_BREAD, neighbours=None, als=None, sequence=None)


def said_of(
    bought: dict[str, list[float]], generators: Generators = GENERATORS, neighbours: list[float] | None = None
) -> list[str]:
    """Reasons of apples, cheese, dill and eggs."""
    lines = sorted((-days, item) for item, ages in bought.items() for days in ages)
    times = np.array([NOW + int(days * DAY) for days, _ in lines], np.int64)
    history = History(
        "1", np.array([item for _, item in lines]), times, np.arange(len(lines), dtype=np.int32)
    )
    raw = {} if neighbours is None else {"neighbours": np.array(neighbours)}
    return reasons(CATALOG, generators, CATALOG.shopper(history, NOW), raw, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ([0.5], "you bought it today"),
        ([1.5], "you bought it yesterday"),
        ([9.9], "you bought it 9 days ago"),
        ([30.0, 3.2, 11.0], "you bought it 3 times, last 3 days ago"),
    ],
)
def test_reasons__own_purchases_come_first(ages: list[float], expected: str) -> None:
    assert said_of({"c": ages, "b": [1.0]})[1] == expected


def test_reasons__are_told_of_each_item_apart() -> None:
    found = said_of({"a": [2.0], "b": [1.0]}, neighbours=[1.0, 1.0, 1.0, 0.0])
    assert found == [
        "you bought it 2 days ago",
        "often bought after Bread",
        "bought by households with baskets like yours",
        "popular in this shop",
    ]


def test_reasons__of_what_is_not_known_is_that_it_is_popular() -> None:
    alone = replace(GENERATORS, markov=None)
    assert said_of({"b": [1.0]}, alone) == ["popular in this shop"] * 4


def test_reasons__of_no_items_are_none() -> None:
    history = History("1", np.array(["a"]), np.array([NOW], np.int64), np.zeros(1, np.int32))
    assert reasons(CATALOG, GENERATORS, CATALOG.shopper(history, NOW), {}, []) == []
