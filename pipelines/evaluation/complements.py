"""How well a basket is completed: a part of each basket of the week is asked with, the list should hold the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.domain import RankedList
from pipelines.evaluation.compared import compared

K = 10
LEAST_ITEMS = 4
Ranker = Callable[[str, Sequence[str], int], RankedList]


@dataclass(frozen=True)
class PartedBasket:
    """A basket of ``LEAST_ITEMS`` or more, in two drawn parts.

    Attributes:
        user_id: Whose it was.
        asked: What is asked with.
        rest: What should be found.
    """

    user_id: str
    asked: tuple[str, ...]
    rest: frozenset[str]


def parted(baskets: pa.Table, seed: int, asking: int | None = None) -> list[PartedBasket]:
    """Two parts of each basket.

    Args:
        baskets: Rows of ``user_id``, ``basket_id``, ``item_id``, sorted.
        seed: Of the drawing.
        asking: How many items ask; half of the basket without.
    """
    whole: dict[tuple[str, str], list[str]] = {}
    columns = (baskets[name].to_pylist() for name in ("user_id", "basket_id", "item_id"))
    for user_id, basket_id, item_id in zip(*columns, strict=True):
        whole.setdefault((user_id, basket_id), []).append(item_id)
    generator = np.random.default_rng(seed)
    found = []
    for (user_id, _), items in whole.items():
        if len(items) >= LEAST_ITEMS:
            drawn = [items[place] for place in generator.permutation(len(items))]
            count = asking or len(items) // 2
            found.append(PartedBasket(user_id, tuple(drawn[:count]), frozenset(drawn[count:])))
    return found


def measure_complements(
    rankers: Mapping[str, Ranker], baskets: pa.Table, samples: int, seed: int, asking: int | None = None
) -> dict[str, object]:
    """Recall in ten places of the rest of each basket, of as many as have room there; mean over baskets.

    Args:
        rankers: By name, asked with the shopper, the part that asks and the number of places; the first is judged, and
            its difference to each of the others is given.
        baskets: As of :func:`parted`.
        samples: Of the bootstrap over households, whose baskets are alike.
        seed: Of drawing and bootstrap.
        asking: As of :func:`parted`.

    Returns:
        ``baskets``, and ``recall_at_10`` of each ranker with its 95 % interval; only ``baskets`` where there are none.
    """
    questions = parted(baskets, seed, asking)
    if not questions:
        return {"baskets": 0}
    recall = {
        name: np.array([_recall(ranker(one.user_id, one.asked, K), one.rest) for one in questions])
        for name, ranker in rankers.items()
    }
    users = [one.user_id for one in questions]
    return {"baskets": len(questions), **compared("recall_at_10", recall, users, samples, seed)}


def _recall(found: RankedList, rest: frozenset[str]) -> float:
    return len({place.item_id for place in found.items} & rest) / min(len(rest), K)
