from dataclasses import replace

import numpy as np
import pytest

from pipelines.domain import History
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.catalog import Catalog
from pipelines.ranking.generators import Generators

DAY = 86_400_000_000
NOW = 400 * DAY
IDS = np.array(["a", "b", "c", "d"])
CATALOG = Catalog(
    IDS,
    list(IDS),
    popularity=np.array([8.0, 4, 2, 1], np.float32),
    reach=np.array([0.0, 0.5, 1.0, 0.0], np.float32),
    kind=np.zeros(4, np.int32),
    first_sold=np.zeros(4, np.int64),
    sellable=np.array([0, 1, 2]),
    attributes=Attributes({}, {}),
)
SHOWN = ("shown", "shown_frequency", "shown_popularity")


def scores(catalog: Catalog = CATALOG) -> dict[str, list[float]]:
    generators = Generators(catalog, SHOWN, markov=None, neighbours=None, als=None, sequence=None)
    bought = History("1", IDS[[1, 0, 1]], NOW - DAY * np.array([14, 7, 7]), np.array([0, 1, 1], np.int32))
    found = generators.score(catalog.shopper(bought, NOW))
    return {system: values.tolist() for system, values in found.items()}


def test_shown__is_how_widely_the_shop_shows_an_item() -> None:
    assert scores()["shown"] == [0, 0.5, 1]


def test_shown_popularity__is_of_what_is_shown() -> None:
    assert scores()["shown_popularity"] == [0, 2, 2]


def test_shown_frequency__is_what_the_shopper_bought_and_is_shown() -> None:
    assert scores()["shown_frequency"] == pytest.approx([0, 0.5 * (0.95 + 0.95**2), 0])


def test_shown__in_a_shop_that_shows_nothing_is_nothing() -> None:
    quiet = replace(CATALOG, reach=np.zeros(4, np.float32))
    assert scores(quiet) == {system: [0, 0, 0] for system in SHOWN}
