"""The lists that evaluation reads are those that scoring everything would give."""

from dataclasses import asdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pipelines.domain import History
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.blended import TIE_BREAK, BlendedRecommender
from pipelines.ranking.catalog import Catalog
from pipelines.ranking.generators import Generators
from pipelines.ranking.list_rules import NO_RULES, ListRules, top_places
from pipelines.retrieval.companions import Companions

NOW = 1_509_336_000_000_000
DAY = 86_400_000_000
SYSTEMS = ("due", "personal_frequency_decayed", "popularity")
BLEND = [
    {"system": "popularity", "scale": "share", "weight": 1.0},
    {"system": "personal_frequency_decayed", "scale": "log", "weight": 2.0},
]

shops = st.lists(st.integers(0, 3), min_size=1, max_size=30)  # popularity of each item: ties are many
limits = st.builds(ListRules, st.none() | st.integers(1, 3), st.none() | st.integers(0, 9))
purchases = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 40)), max_size=20)  # item, days ago


def recommender_of(popularity: list[int], rules: ListRules = NO_RULES) -> BlendedRecommender:
    ids = np.array([f"{place:02d}" for place in range(len(popularity))])
    nothing, kind = np.zeros(len(ids), np.float32), (np.arange(len(ids)) % 4).astype(np.int32)
    catalog = Catalog(
        ids,
        list(ids),
        np.array(popularity, np.float32),
        nothing,
        kind,
        np.zeros(len(ids), np.int64),
        np.arange(len(ids)),
        Attributes({}, {}),
    )
    nobody = np.full((len(ids), 1), -1, np.int32)
    nothing_shared = np.zeros(nobody.shape, np.float32)
    companions = Companions(nobody, nothing_shared, nobody, nothing_shared, nothing_shared)
    generators = Generators(catalog, SYSTEMS, markov=None, neighbours=None, als=None, sequence=None)
    manifest = {"blends": {"blend": BLEND}, "rules": asdict(rules)}
    return BlendedRecommender(manifest, catalog, generators, companions)


def history_of(bought: list[tuple[int, int]]) -> History:
    bought = sorted(bought, key=lambda purchase: -purchase[1])
    return History(
        "1",
        np.array([f"{item:02d}" for item, _ in bought], dtype=np.str_),
        np.array([NOW - days * DAY for _, days in bought], np.int64),
        np.arange(len(bought), dtype=np.int32),
    )


@given(shops, purchases, st.integers(1, 35))
def test_best__is_the_top_of_the_whole_catalog_by_score_then_popularity_then_place(
    popularity: list[int], bought: list[tuple[int, int]], top: int
) -> None:
    recommender, history = recommender_of(popularity), history_of(bought)
    raw = recommender.raw(history, NOW)

    found = recommender.best(history, NOW, top)

    assert list(found) == recommender.systems == [*SYSTEMS, "blend"]
    for system in SYSTEMS:
        scores = raw.get(system, np.zeros(len(popularity))) + TIE_BREAK * np.array(popularity)
        expected = sorted(range(len(popularity)), key=lambda place: (-scores[place], place))[:top]
        assert found[system][0].tolist() == expected, system
        if raw:
            assert_array_equal(found[system][1], scores[expected])


@given(shops, purchases, st.integers(1, 35), limits)
def test_best__of_the_blend_is_what_the_endpoint_recommends(
    popularity: list[int], bought: list[tuple[int, int]], k: int, rules: ListRules
) -> None:
    recommender, history = recommender_of(popularity, rules), history_of(bought)

    places, scores = recommender.best(history, NOW, k)["blend"]

    served = recommender.recommend(history, NOW, k).items
    assert recommender.item_ids[places].tolist() == [item.item_id for item in served]
    if rules.ask_nothing:
        assert scores.tolist() == [item.score for item in served]
    assert (np.diff(scores) <= 0).all()


@given(shops, purchases, st.integers(1, 12))
def test_recommend__leaves_excluded_items_out_under_rules(
    popularity: list[int], bought: list[tuple[int, int]], k: int
) -> None:
    recommender = recommender_of(popularity, ListRules(1, 5))
    served = recommender.recommend(
        history_of(bought), NOW, k, recommender.without(["00", "01", "strange"])
    ).items
    assert not {"00", "01"} & {item.item_id for item in served}
    assert len(served) == min(k, max(len(popularity) - 2, 0))


def test_top_places__ties_fall_by_position_and_too_many_is_all() -> None:
    scores = np.array([1.0, 3.0, 1.0, 3.0, 1.0])
    assert top_places(scores, 3).tolist() == [1, 3, 0]
    assert top_places(scores, 9).tolist() == [1, 3, 0, 2, 4]
    assert top_places(scores, 0).tolist() == []
