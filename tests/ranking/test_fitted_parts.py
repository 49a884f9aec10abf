"""What every part of the shop's blend keeps, whatever it learns: each fitted for real on one small shop."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain import History
from pipelines.features.purchases import Purchases
from pipelines.params import load_params
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.bundle import read_archive
from pipelines.ranking.catalog import Catalog
from pipelines.ranking.components import COMPONENTS, known_places, normalise
from pipelines.ranking.generators import Generators, Scores
from pipelines.retrieval.fitting.baselines import fit_factors, fit_neighbours, fit_transitions
from pipelines.retrieval.sequence import SequenceScorer
from tests.retrieval.small_shop import ITEMS, habits

SYSTEMS = tuple(dict.fromkeys(component.system for component in COMPONENTS))
PERSONAL = [name for name in SYSTEMS if name not in ("popularity", "shown", "shown_popularity")]
TRAIN = Path(__file__).parents[1] / "retrieval" / "train_in_a_process.py"
DAY = 86_400_000_000
NOW = 400 * DAY

shoppers = st.lists(st.tuples(st.integers(0, ITEMS + 5), st.integers(0, 399)), min_size=1, max_size=40)
"""What was bought, items among it that the catalog does not know, and how many days ago."""


def write_transitions(purchases: Purchases, folder: Path) -> Path:
    """Counts of what one basket holds and the same shopper's next one, as the feature view has them."""
    counts: dict[tuple[str, str], int] = {}
    for shopper in range(len(purchases.user_ids)):
        mine = purchases.shopper == shopper
        baskets = [
            purchases.item[mine & (purchases.basket == at)] for at in np.unique(purchases.basket[mine])
        ]
        for before, after in pairwise(baskets):
            for pair in ((str(b), str(a)) for b in before for a in after):
                counts[pair] = counts.get(pair, 0) + 1
    ids = purchases.item_ids
    columns = {
        "item_id": [str(ids[int(before)]) for before, _ in counts],
        "next_item_id": [str(ids[int(after)]) for _, after in counts],
        "transitions": list(counts.values()),
    }
    pq.write_table(pa.table(columns), folder / "basket_transitions.parquet")
    return folder


def fit(folder: Path, sequence: Path) -> Generators:
    purchases, params = habits(), load_params().fit_baselines
    counts = np.bincount(purchases.item, minlength=ITEMS).astype(np.float32)
    ids = purchases.item_ids
    reach = (np.arange(ITEMS) % 3 / 2).astype(np.float32)
    sellable = np.arange(ITEMS)[:-2]  # the last two are no longer sold
    catalog = Catalog(
        ids,
        [str(name) for name in ids],
        counts,
        reach,
        purchases.item_type,
        np.zeros(ITEMS, np.int64),
        sellable,
        Attributes({}, {}),
    )
    return Generators(
        catalog=catalog,
        systems=SYSTEMS,
        markov=fit_transitions(params, write_transitions(purchases, folder), ids),
        neighbours=fit_neighbours(params, purchases),
        # The shop's own regularization is of thousands of households; here it would leave popularity.
        als=fit_factors(params.als.model_copy(update={"regularization": 1.0, "factors": 16}), purchases),
        sequence=SequenceScorer(read_archive(sequence), sellable),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("parts") / "sequence.npz"
    done = subprocess.run([sys.executable, str(TRAIN), str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def parts(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Generators:
    return fit(tmp_path_factory.mktemp("fit"), trained)


def history_of(bought: list[tuple[int, int]]) -> History:
    bought = sorted(bought, key=lambda purchase: (-purchase[1], purchase[0]))
    days = np.array([day for _, day in bought], np.int64)
    baskets = np.concatenate([[0], np.cumsum(np.diff(days) != 0)]).astype(np.int32)
    items = np.array([f"i{item:02d}" if item < ITEMS else f"unheard {item}" for item, _ in bought])
    return History("1", items, NOW - days * DAY, baskets)


def scores_of(parts: Generators, history: History) -> dict[str, Scores]:
    shopper = parts.catalog.shopper(history, NOW)
    return parts.score(shopper) if len(shopper.item) else {}


@given(shoppers)
def test_score__is_a_finite_figure_for_each_item_that_is_sold(
    parts: Generators, bought: list[tuple[int, int]]
) -> None:
    for system, scores in scores_of(parts, history_of(bought)).items():
        assert scores.shape == parts.catalog.sellable.shape, system
        assert np.isfinite(scores).all(), system


@given(shoppers)
def test_score__asked_alone_or_twice_answers_the_same(
    parts: Generators, bought: list[tuple[int, int]]
) -> None:
    history = history_of(bought)
    together = scores_of(parts, history)
    for system, scores in together.items():
        shopper = parts.catalog.shopper(history, NOW)
        answer = scores.copy()
        scores[:] = 0.0  # what is handed out belongs to the caller
        assert np.array_equal(parts.score(shopper, {system})[system], answer), system


@given(shoppers, st.randoms(use_true_random=False))
def test_score__does_not_depend_on_the_order_within_a_basket(
    parts: Generators, bought: list[tuple[int, int]], draw: object
) -> None:
    history = history_of(bought)
    order = sorted(range(len(bought)), key=lambda row: (history.baskets[row], draw.random()))  # type: ignore[attr-defined]
    mixed = History("1", history.items[order], history.times[order], history.baskets[order])
    found, others = scores_of(parts, mixed), scores_of(parts, history)
    for system in others:
        assert np.allclose(found[system], others[system], rtol=1e-4, atol=1e-5), system


@given(shoppers)
def test_score__can_be_brought_to_every_scale_of_the_blend(
    parts: Generators, bought: list[tuple[int, int]]
) -> None:
    found = scores_of(parts, history_of(bought))
    for component in COMPONENTS if found else ():
        scores = found[component.system]
        scaled = normalise(scores, component.scale)
        assert ((scaled >= 0) & (scaled < 1.006)).all(), component
        assert len(known_places(scores)) or not scores.any()


def followers() -> Iterator[tuple[History, set[str]]]:
    """Each shopper of the small shop, and what it buys every other week."""
    purchases = habits()
    for shopper in range(len(purchases.user_ids)):
        mine = purchases.shopper == shopper
        item, counts = np.unique(purchases.item[mine], return_counts=True)
        times = NOW + (purchases.day[mine] * DAY).astype(np.int64)
        baskets = np.unique(purchases.basket[mine], return_inverse=True)[1].astype(np.int32)
        ids = purchases.item_ids
        yield History("1", ids[purchases.item[mine]], times, baskets), set(ids[item[counts >= 4]].tolist())


@pytest.mark.parametrize("system", [name for name in PERSONAL if name != "shown_frequency"])
def test_fit__knows_better_than_popularity_what_a_shopper_buys(parts: Generators, system: str) -> None:
    hits: dict[str, list[float]] = {system: [], "popularity": []}
    ids = parts.catalog.ids[parts.catalog.sellable]
    for history, usual in followers():
        found = scores_of(parts, history)
        for name, values in hits.items():
            best = ids[np.argsort(-found[name], kind="stable")[:6]].tolist()
            values.append(len(usual & set(best)) / max(len(usual), 1))
    assert np.mean(hits[system]) > 1.5 * np.mean(hits["popularity"])


def test_fit__twice_gives_one_result(parts: Generators, trained: Path, tmp_path: Path) -> None:
    again, history = fit(tmp_path, trained), history_of([(1, 3), (5, 3), (9, 40)])
    first, second = scores_of(parts, history), scores_of(again, history)
    for system in SYSTEMS:
        assert np.array_equal(first[system], second[system]), system
