"""How well a search finds what the shopper means: asked by the words of its type, an item should come first.

No data set here holds what shoppers typed; the type is what a person would type who wants *some* milk. So this measures
the order among what matches, and not how shoppers write.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipelines.domain import History, RankedList
from pipelines.evaluation.compared import compared
from pipelines.evaluation.measure import K
from pipelines.metrics import mrr_at_k

QUESTIONS = 1
"""Items that are looked for, of each household, at most."""
Search = Callable[[History, str, int], RankedList]


def measure_searches(
    searches: Mapping[str, Search],
    histories: Sequence[History],
    bought: Mapping[str, set[str]],
    words: Mapping[str, str],
    samples: int,
    seed: int,
) -> dict[str, object]:
    """Reciprocal rank in ten places of drawn items that each household bought.

    Args:
        searches: By name; the first is judged.
        histories: Of the households.
        bought: By household.
        words: What is asked for each item; items without any are not looked for.
        samples: Of the bootstrap over households.
        seed: Of drawing and bootstrap.

    Returns:
        ``searches``, and ``mrr_at_10`` of each with its 95 % interval; only ``searches`` where there are none.
    """
    generator = np.random.default_rng(seed)
    users: list[str] = []
    found: dict[str, list[float]] = {name: [] for name in searches}
    for history in histories:
        mine = sorted(item for item in bought[history.user_id] if words.get(item))
        for place in generator.permutation(len(mine))[:QUESTIONS]:
            users.append(history.user_id)
            for name, search in searches.items():
                found[name].append(_reciprocal(search(history, words[mine[place]], K), mine[place]))
    if not users:
        return {"searches": 0}
    values = {name: np.array(column) for name, column in found.items()}
    return {"searches": len(users), **compared("mrr_at_10", values, users, samples, seed)}


def _reciprocal(ranked: RankedList, item_id: str) -> float:
    ranks = [rank for rank, place in enumerate(ranked.items, start=1) if place.item_id == item_id]
    return mrr_at_k(np.array(ranks, np.int64), K)
