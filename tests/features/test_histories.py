"""Flat histories against the rows they were made of."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.features.histories import Histories

ROWS = [("ann", "milk", 5, 0), ("ann", "tea", 5, 0), ("ann", "milk", 9, 1), ("bob", "bread", 7, 0)]


@pytest.fixture
def histories() -> Histories:
    user, item, times, baskets = (np.array(column, object) for column in zip(*ROWS, strict=True))
    return Histories.from_columns(user, item, times.astype(np.int64), baskets.astype(np.int32))


def rows(histories: Histories) -> list[tuple]:
    return [
        (history.user_id, str(item), int(time), int(basket))
        for history in histories
        for item, time, basket in zip(history.items, history.times, history.baskets, strict=True)
    ]


def test_from_columns__keeps_every_row_in_order(histories: Histories) -> None:
    assert rows(histories) == ROWS
    assert histories.item_ids.tolist() == ["bread", "milk", "tea"]


def test_take__in_the_wanted_order_and_empty_for_a_stranger(histories: Histories) -> None:
    taken = histories.take(np.array(["bob", "eve", "ann"]))
    assert [history.user_id for history in taken] == ["bob", "eve", "ann"]
    assert rows(taken) == [ROWS[3], *ROWS[:3]]


def test_take__from_nobody_gives_everyone_an_empty_history() -> None:
    nothing = np.array([], object)
    nobody = Histories.from_columns(nothing, nothing, nothing.astype(np.int64), nothing.astype(np.int32))
    taken = nobody.take(np.array(["bob", "eve"]))
    assert [(history.user_id, len(history.items)) for history in taken] == [("bob", 0), ("eve", 0)]


def test_save__loads_equal_and_is_stable(histories: Histories, tmp_path: Path) -> None:
    histories.save(tmp_path / "one.npz")
    Histories.load(tmp_path / "one.npz").save(tmp_path / "two.npz")
    assert rows(Histories.load(tmp_path / "one.npz")) == ROWS
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_from_columns__of_nothing() -> None:
    nothing = np.array([], object)
    assert (
        len(Histories.from_columns(nothing, nothing, nothing.astype(np.int64), nothing.astype(np.int32))) == 0
    )
