"""How well a basket is completed: half of each basket of the week is asked with, and the list should hold the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.domain import RankedList
from pipelines.evaluation.bootstrap import Interval, mean_intervals

K = 10
LEAST_ITEMS = 4
Ranker = Callable[[Sequence[str], int], RankedList]


@dataclass(frozen=True)
class HalfBasket:
    """A basket of ``LEAST_ITEMS`` or more, in drawn halves.

    Attributes:
        user_id: Whose it was.
        asked: What is asked with.
        rest: What should be found.
    """

    user_id: str
    asked: tuple[str, ...]
    rest: frozenset[str]


def halved(baskets: pa.Table, seed: int) -> list[HalfBasket]:
    """Halves of each basket.

    Args:
        baskets: Rows of ``user_id``, ``basket_id``, ``item_id``, sorted.
        seed: Of the drawing.
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
            half = len(items) // 2
            found.append(HalfBasket(user_id, tuple(drawn[:half]), frozenset(drawn[half:])))
    return found


def measure_complements(
    rankers: Mapping[str, Ranker], baskets: pa.Table, samples: int, seed: int
) -> dict[str, object]:
    """Recall in ten places of the other half, of as many as have room there; mean over baskets.

    Args:
        rankers: By name; the first is judged, and its difference to each of the others is given.
        baskets: As of :func:`halved`.
        samples: Of the bootstrap over households, whose baskets are alike.
        seed: Of drawing and bootstrap.

    Returns:
        ``baskets``, and ``recall_at_10`` of each ranker with its 95 % interval; only ``baskets`` where there are none.
    """
    questions = halved(baskets, seed)
    if not questions:
        return {"baskets": 0}
    recall = {
        name: np.array([_recall(ranker(one.asked, K), one.rest) for one in questions])
        for name, ranker in rankers.items()
    }
    users = [one.user_id for one in questions]
    judged, *others = recall
    differences = {name: recall[judged] - recall[name] for name in others}
    return {
        "baskets": len(questions),
        "recall_at_10": _intervals(recall, users, samples, seed),
        "above": _intervals(differences, users, samples, seed),
    }


def _intervals(
    values: Mapping[str, NDArray[np.float64]], users: list[str], samples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Of means over baskets, resampling households."""
    if not values:
        return {}
    _, place, count = np.unique(users, return_inverse=True, return_counts=True)
    table = np.column_stack([np.bincount(place, column) / count for column in values.values()])
    found: list[Interval] = mean_intervals(
        table, samples=samples, confidence=0.95, seed=seed, weight=count.astype(np.float64)
    )
    return {name: asdict(one) for name, one in zip(values, found, strict=True)}


def _recall(found: RankedList, rest: frozenset[str]) -> float:
    return len({place.item_id for place in found.items} & rest) / min(len(rest), K)
