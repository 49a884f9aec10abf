"""Prices of a catalog: as a bundle carries them, and as they are put."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.domain import BundleError
from pipelines.ranking.attributes import Attributes
from pipelines.ranking.bundle import read_arrays, write_arrays
from pipelines.ranking.catalog import Catalog
from pipelines.ranking.fitting.assembly import Parts, assemble
from pipelines.ranking.prices import Prices

NOTHING = np.zeros(4)
CATALOG = Catalog(
    np.array(["a", "b", "c", "d"]), ["A", "B", "C", "D"], NOTHING.astype(np.float32), NOTHING.astype(np.float32),
    NOTHING.astype(np.int32), NOTHING.astype(np.int64), np.array([0, 1, 3]), Attributes.of({"brand": [None] * 4}),
)  # fmt: skip
EVERYTHING = {"price": np.array([1.0, np.nan, 3.0, 4.0])}


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    write_arrays(tmp_path / "prices.npz", EVERYTHING)
    return Prices.load(tmp_path, CATALOG)


def test_within__holds_both_ends_and_no_price_that_is_not_known(prices: Prices) -> None:
    assert prices.are_known
    assert prices.within(1.0, 4.0, {}).tolist() == [True, False, True]
    assert prices.within(0.0, 3.99, {}).tolist() == [True, False, False]


def test_within__goes_by_what_was_put_last_and_by_the_bundle_again_when_it_is_gone(prices: Prices) -> None:
    put = {"b": 2.0, "d": 9.0, "c": 1.0, "strange": 1.0}
    assert prices.within(1.0, 4.0, put).tolist() == [True, True, False]
    assert prices.within(9.0, 9.0, put).tolist() == [False, False, True]
    assert prices.within(1.0, 4.0, {"a": 5.0}).tolist() == [False, False, True]
    assert prices.within(1.0, 4.0, {}).tolist() == [True, False, True]


def test_load__knows_no_price_of_a_bundle_without_and_refuses_a_broken_file(tmp_path: Path) -> None:
    old = Prices.load(tmp_path, CATALOG)
    assert not old.are_known
    assert not old.within(0.0, 1e6, {}).any()
    write_arrays(tmp_path / "prices.npz", {"price": np.ones(3)})
    with pytest.raises(BundleError, match=r"prices.npz: its length differs from the catalog's; restore"):
        Prices.load(tmp_path, CATALOG)
    (tmp_path / "prices.npz").write_bytes(b"no archive")
    with pytest.raises(BundleError, match=r"prices.npz: cannot be read"):
        Prices.load(tmp_path, CATALOG)


def test_assemble__carries_what_was_paid_last(tmp_path: Path) -> None:
    folder, out = tmp_path / "fitted", tmp_path / "bundle"
    folder.mkdir()
    about = ("popularity", "reach", "kind", "first_sold_us", "sellable")
    write_arrays(folder / "catalog.npz", {"item_ids": CATALOG.ids} | {name: np.ones(4) for name in about})
    for name in ("als", "companions", "markov", "neighbours", "sequence"):
        write_arrays(folder / f"{name}.npz", {})
    texts = ("item_id", "title", "department", "category", "type", "brand")
    pq.write_table(pa.table({name: ["a", "b", "c", "d"] for name in texts}), folder / "items.parquet")
    paid = pa.table({"item_id": ["d", "b"], "price_last": [7.47 / 3, 1 / 3]})
    pq.write_table(paid, folder / "item_prices.parquet")
    parts = Parts(folder, folder, folder / "items.parquet", folder / "item_prices.parquet")
    assemble(parts, {}, 44, out, {})
    (price,) = read_arrays(out / "prices.npz", "price")
    np.testing.assert_array_equal(price, [np.nan, 0.3333, np.nan, 2.49])
