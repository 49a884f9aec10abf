"""The benchmark of the network at batch 1: every system gives the same list, and the report judges the goals."""

import importlib.util

import numpy as np
import pytest

from benchmarks import pages
from benchmarks.encoder.__main__ import measure, ratio_of_medians, report
from benchmarks.encoder.systems import LITERT, NUMPY, SAVED_MODEL, Question, systems
from pipelines.features.shopper import CONTEXT_FEATURES, HISTORY_FEATURES
from pipelines.ranking.catalog import Shopper
from pipelines.retrieval.sequence import SequenceScorer

ITEMS, ROWS, TYPES = 60, 40, 6
WIDTH, HEADS, SMALL, HIDDEN = 4, 2, 3, 6
_H, _C = len(HISTORY_FEATURES), len(CONTEXT_FEATURES)
DENSE = {
    **dict.fromkeys(("query", "keys", "values"), (WIDTH, WIDTH)),
    **{"context_in": (_C, WIDTH), "feed_in": (WIDTH, 2 * WIDTH), "feed_out": (2 * WIDTH, WIDTH)},
    **{
        "bias_in": (8, 16),
        "bias_out": (16, 1),
        "type_project": (WIDTH, SMALL),
        "item_project": (WIDTH, SMALL),
    },
    **{"type_in": (_H + _C + SMALL, 32), "type_state": (32, SMALL), "type_out": (SMALL, 1)},
    "copy_in": (_H + SMALL + 8 + _C + SMALL + 1, HIDDEN),
    **{"copy_mid": (HIDDEN, HIDDEN // 2), "copy_out": (HIDDEN // 2, 1)},
}
MATRICES = {
    **{"item_embedding": (ROWS, WIDTH), "item_bias": (ROWS, 1), "type_embedding": (TYPES, WIDTH)},
    **{
        "age_slope": (HEADS,),
        "time_weights": (8, HEADS),
        "copy_wide": (_H, 1),
        "item_statistics": (ITEMS, 8),
    },
}
BLOCKS = {"history": _H, "type": _H, "context": _C, "statistics": 8}


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """A network that learned nothing."""
    random = np.random.default_rng(3)
    shapes = {f"{name}/kernel": shape for name, shape in DENSE.items()}
    shapes |= {f"{name}/bias": shape[1:] for name, shape in DENSE.items()} | MATRICES
    shapes |= {f"{name}_{part}": (size,) for name, size in BLOCKS.items() for part in ("shift", "scale")}
    made = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    made["item_row"] = random.integers(ROWS, size=ITEMS).astype(np.int32)
    made["item_type"] = random.integers(TYPES, size=ITEMS).astype(np.int32)
    return made


@pytest.fixture(scope="module")
def scorer(arrays: dict[str, np.ndarray]) -> SequenceScorer:
    return SequenceScorer(arrays, np.arange(0, ITEMS, 2))


def shopper(baskets: int) -> Shopper:
    """Bought three things in each basket, also such as cannot be sold any more."""
    random = np.random.default_rng(baskets)
    item = np.concatenate([np.sort(random.choice(ITEMS, 3, replace=False)) for _ in range(baskets)])
    basket = np.repeat(np.arange(baskets, dtype=np.int32), 3)
    return Shopper(item, 7.0 * (baskets - basket), basket)


def test_systems__give_the_list_that_serves(arrays: dict[str, np.ndarray], scorer: SequenceScorer) -> None:
    asked = [Question.of(scorer, shopper(baskets)) for baskets in (1, 2, 40, 3)]
    with systems(arrays, scorer) as found:
        for question in asked:
            expected = found[NUMPY](question).tolist()
            assert {name: best(question).tolist() for name, best in found.items()} == dict.fromkeys(
                found, expected
            )
        times, agreement = measure(found, asked)
    installed = importlib.util.find_spec("ai_edge_litert") is not None
    assert [*times] == [NUMPY, SAVED_MODEL, *([LITERT] if installed else [])]
    assert {len(one) for one in times.values()} == {4}
    assert all((shares == 1).all() for shares in agreement.values())


def test_report__judges_the_lower_end_of_the_ratio_and_the_agreement() -> None:
    ours, theirs = np.full(50, 2.0), np.full(50, 4.0)
    data = {"items": 30601, "shoppers": 50, "embedding_size": 32}
    whole = report({NUMPY: ours, SAVED_MODEL: theirs}, {SAVED_MODEL: np.full(50, 0.999)}, data)
    assert [(goal["value"], goal["met"]) for goal in whole["goals"]] == [(2.0, True), (0.999, True)]
    page = pages.render_page("encoder", whole)
    assert "| `saved_model` | 4 (4 to 4) | 2 (2 to 2) | 99.900% |" in page
    assert "LiteRT was not installed" in page
    theirs[:30] = 3.9
    whole = report({NUMPY: ours, SAVED_MODEL: theirs}, {SAVED_MODEL: np.full(50, 0.99)}, data)
    assert [goal["met"] for goal in whole["goals"]] == [False, False]


def test_ratio_of_medians__draws_each_shopper_with_both_times() -> None:
    ours = np.linspace(1, 9, 101)
    assert ratio_of_medians(3 * ours, ours) == pytest.approx((3, 3, 3))
    value, low, high = ratio_of_medians(3 * ours[::-1], ours)
    assert value == pytest.approx(3)
    assert low < 2.9 < 3.1 < high
