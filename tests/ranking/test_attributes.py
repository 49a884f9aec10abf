"""Attributes of a catalog: written, read, and chosen by."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.domain import BundleError
from pipelines.ranking.attributes import ATTRIBUTES, Attributes

SHOP = {
    "department": ["Food", "Food", "Toys", None],
    "category": ["Tea", "茶", "Tea", None],
    "type": ["Green", None, "Set", "Set"],
    "brand": ["Own", "National", "Own", ""],
}


@pytest.fixture
def attributes(tmp_path: Path) -> Attributes:
    Attributes.of(SHOP).save(tmp_path / "attributes.npz")
    return Attributes.load(tmp_path / "attributes.npz", 4)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"category": ["Tea"]}, [0, 2]),
        ({"category": ["Tea", "茶"]}, [0, 1, 2]),
        ({"category": ["Tea"], "department": ["Food"]}, [0]),
        ({"brand": ["Own"], "type": ["Set", "none such"]}, [2]),
        ({"brand": ["none such"]}, []),
        ({"department": [""]}, []),
        ({"brand": []}, []),
    ],
)
def test_where__holds_one_name_of_every_attribute(
    attributes: Attributes, wanted: dict[str, list[str]], found: list[int]
) -> None:
    assert np.flatnonzero(attributes.where(wanted)).tolist() == found


def test_load__refuses_another_number_of_items_and_a_file_that_is_gone(tmp_path: Path) -> None:
    Attributes.of(SHOP).save(tmp_path / "attributes.npz")
    with pytest.raises(BundleError, match=r"attributes.npz: its length differs from the catalog's; restore"):
        Attributes.load(tmp_path / "attributes.npz", 5)
    with pytest.raises(BundleError, match=r"none\.npz"):
        Attributes.load(tmp_path / "none.npz", 4)


names = st.one_of(st.none(), st.text(max_size=3))


@given(st.lists(st.tuples(names, names, names, names), min_size=1, max_size=20), st.data())
def test_where__is_what_the_columns_say(rows: list[tuple[str | None, ...]], data: st.DataObject) -> None:
    columns = dict(zip(ATTRIBUTES, map(list, zip(*rows, strict=True)), strict=True))
    name = data.draw(st.sampled_from(ATTRIBUTES))
    wanted = data.draw(st.lists(st.text(max_size=3), max_size=3))
    found = Attributes.of(columns).where({name: wanted})
    assert found.tolist() == [bool(value) and value in wanted for value in columns[name]]
