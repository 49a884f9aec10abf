"""Baskets in halves, and how many of the other half are found."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from pipelines.domain import RankedList, Recommendation
from pipelines.evaluation.complements import measure_complements, parted


def table(*rows: tuple[str, str, str]) -> pa.Table:
    columns = zip(*sorted(rows), strict=True)
    return pa.table(dict(zip(("user_id", "basket_id", "item_id"), map(list, columns), strict=True)))


FOUR = [("1", "a", item) for item in "abcd"]
FIVE = [("2", "b", item) for item in "vwxyz"]
SMALL = [("3", "c", item) for item in "abc"]


def listed(*items: str) -> RankedList:
    return RankedList("test", tuple(Recommendation(item, 1.0, "") for item in items))


def test_halves__of_each_basket_of_four_or_more_and_the_same_each_time() -> None:
    baskets = table(*FOUR, *FIVE, *SMALL)
    one, other = parted(baskets, 7)
    assert (len(one.asked), len(one.rest), len(other.asked), len(other.rest)) == (2, 2, 2, 3)
    assert {*one.asked} | one.rest == set("abcd")
    assert not {*other.asked} & other.rest
    assert parted(baskets, 7) == [one, other]
    assert any(parted(baskets, seed) != [one, other] for seed in range(5))


def test_parted__one_item_asks_for_all_others() -> None:
    one, other = parted(table(*FOUR, *FIVE, *SMALL), 7, asking=1)
    assert [(len(part.asked), len(part.rest)) for part in (one, other)] == [(1, 3), (1, 4)]
    assert {*one.asked} | one.rest == set("abcd")
    asked: list[int] = []
    measure_complements(
        {"seen": lambda _, part, k: asked.append(len(part)) or listed()}, table(*FIVE), 200, 7, asking=1
    )
    assert asked == [1]


def test_measure__by_hand_over_baskets_and_resampled_over_households() -> None:
    baskets = table(*FOUR, *FIVE, *(("1", "d", item) for item in "abcd"))

    def knows_letters(_: str, asked: Sequence[str], k: int) -> RankedList:
        return listed(*(item for item in "abcd" if item not in asked))

    found = measure_complements({"letters": knows_letters, "nothing": lambda *_: listed()}, baskets, 400, 7)
    assert found["baskets"] == 3
    # Both baskets of household 1 are found whole, that of household 2 not at all.
    assert found["recall_at_10"]["letters"]["mean"] == pytest.approx(2 / 3)
    assert (found["recall_at_10"]["letters"]["low"], found["recall_at_10"]["letters"]["high"]) == (0, 1)
    assert found["recall_at_10"]["nothing"]["mean"] == 0
    assert found["above"]["nothing"]["mean"] == pytest.approx(2 / 3)
    assert "letters" not in found["above"]


def test_measure__counts_as_many_as_have_room() -> None:
    large = table(*(("1", "a", f"{number:02d}") for number in range(40)))
    ten = measure_complements(
        {"ten": lambda _, asked, k: listed(*[f"{n:02d}" for n in range(40) if f"{n:02d}" not in asked][:k])},
        large,
        200,
        7,
    )
    assert ten["recall_at_10"]["ten"]["mean"] == 1.0


def test_measure__without_a_basket_says_so() -> None:
    assert measure_complements({"none": lambda *_: listed()}, table(*SMALL), 200, 7) == {"baskets": 0}
