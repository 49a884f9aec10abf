"""Positions of ids, against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ranking import id_lookup
from pipelines.ranking.id_lookup import IdLookup

IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(IDS, unique=True, max_size=60), st.lists(IDS, max_size=30))
def test_find__gives_what_a_dictionary_gives(ids: list[str], strange: list[str]) -> None:
    position = {item_id: place for place, item_id in enumerate(ids)}
    wanted = [*strange, *ids, *ids[:3]]
    found = IdLookup(np.array(ids, np.str_)).find(np.array(wanted, np.str_))
    assert found.tolist() == [position.get(item_id, -1) for item_id in wanted]


def test_find__does_not_depend_on_how_wide_the_arrays_are() -> None:
    index = IdLookup(np.array(["7", "77", "a much longer id than the others"]))
    assert index.find(np.array(["77", "7"])).tolist() == [1, 0]
    assert index.find(np.array(["a much longer id than the others, and longer", "7"])).tolist() == [-1, 0]


def test_find__of_an_id_with_another_ones_hash_is_strange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_lookup, "MULTIPLIERS", (1,))  # under it a text and its anagram share a hash
    assert IdLookup(np.array(["ab", "c"])).find(np.array(["ba", "c"])).tolist() == [-1, 1]


def test_index__takes_another_multiplier_where_two_ids_share_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_lookup, "MULTIPLIERS", (1, 3))
    assert IdLookup(np.array(["ab", "ba"])).find(np.array(["ba", "ab"])).tolist() == [1, 0]


def test_index__of_equal_ids_is_refused() -> None:
    with pytest.raises(ValueError, match="distinct ids"):
        IdLookup(np.array(["a", "b", "a"]))
