"""What goes together: counted by hand, fitted from features, and asked of a basket."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.retrieval.companions import Companion, Companions
from pipelines.retrieval.fitting.baselines import fit_companions
from pipelines.tables import write_table

IDS = np.array(["bread", "butter", "milk", "tea"])
# Week 30; what was before week 4 is out of the 26 weeks. Ten baskets: bread in 6, butter in 5, milk in 4, tea in 1.
BASKETS = [
    *[("1", basket, ("bread", "butter")) for basket in range(3)],
    ("2", 0, ("bread", "butter", "milk")),
    ("2", 1, ("bread", "milk")),
    ("2", 2, ("bread",)),
    ("2", 3, ("butter", "milk")),
    ("2", 4, ("milk",)),
    ("3", 0, ("tea",)),
    ("3", 1, ()),
]
PAIRS = [("bread", "butter", 4), ("bread", "milk", 2), ("butter", "milk", 2)]
COUNT = {"bread": 6, "butter": 5, "milk": 4, "tea": 1}


@pytest.fixture
def fitted(tmp_path: Path) -> Companions:
    lines = [(user, basket, item, 29) for user, basket, items in BASKETS for item in items]
    lines += [("9", basket, item, 3) for basket in range(50) for item in ("tea", "milk")]
    columns = dict(
        zip(("user_id", "basket", "item_id", "week"), map(list, zip(*lines, strict=True)), strict=True)
    )
    write_table(tmp_path / "basket_lines.parquet", pa.table(columns))
    both = [*PAIRS, *((other, one, support) for one, other, support in PAIRS)]
    pairs = {
        "item_id": [one for one, _, _ in both],
        "other_item_id": [other for _, other, _ in both],
        "support": [support for _, _, support in both],
        "strength": [support / (COUNT[one] * COUNT[other]) ** 0.5 for one, other, support in both],
    }
    write_table(tmp_path / "copurchases.parquet", pa.table(pairs))
    fit_companions(0.5, tmp_path, IDS, 30).save(tmp_path / "companions.npz")
    return Companions.load(tmp_path / "companions.npz")


def test_fit__counts_by_hand(fitted: Companions) -> None:
    butter, milk = fitted.of(0)
    # Nine baskets hold something: by chance bread and butter meet in 6 * 5 / 9 of them.
    assert (butter.item, butter.baskets, butter.lift) == (1, 4, pytest.approx(4 * 9 / 30))
    assert butter.strength == pytest.approx(4 / 30**0.5)
    assert (milk.item, milk.baskets, milk.lift) == (2, 2, pytest.approx(2 * 9 / 24))
    assert list(fitted.of(3)) == []


def test_completing__sums_what_each_item_asks_for(fitted: Companions) -> None:
    asked = fitted.completing(np.array([0, 2]))
    assert asked == pytest.approx(
        [2 / (4 * 6**0.5), 4 / (6 * 5**0.5) + 2 / (4 * 5**0.5), 2 / (6 * 4**0.5), 0]
    )
    assert fitted.completing(np.array([], np.int64)).tolist() == [0, 0, 0, 0]


def test_strongest__names_the_item_that_asks_most(fitted: Companions) -> None:
    # Of milk's baskets a half hold butter, of bread's two thirds.
    source, shared = fitted.strongest(np.array([0, 2]), 1) or (None, None)
    assert source == 0
    assert shared == Companion(1, pytest.approx(4 / 30**0.5), 4, pytest.approx(1.2))
    assert fitted.strongest(np.array([3]), 1) is None
    assert fitted.strongest(np.array([], np.int64), 1) is None
