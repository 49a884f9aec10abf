"""How well new items find their households: those that were bought in the week, and never by the household before."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipelines.domain import History, RankedList
from pipelines.evaluation.compared import compared
from pipelines.evaluation.measure import K
from pipelines.ranking.new_arrivals import NewArrivals

ListOfNew = Callable[[History, int], RankedList]


def measure_new(
    lists: Mapping[str, ListOfNew],
    histories: Sequence[History],
    bought: Mapping[str, set[str]],
    arrivals: NewArrivals,
    now: int,
    samples: int,
    seed: int,
) -> dict[str, object]:
    """Recall in ten places of the new items that each household bought, of as many as have room there.

    Args:
        lists: By name; the first is judged.
        histories: Of the households.
        bought: By household.
        arrivals: Says what is new to whom.
        now: Microseconds since the epoch (UTC).
        samples: Of the bootstrap over households.
        seed: Of the bootstrap.

    Returns:
        ``households`` that bought something new, and ``recall_at_10`` of each list with its 95 % interval; only
        ``households`` where there are none.
    """
    users: list[str] = []
    found: dict[str, list[float]] = {name: [] for name in lists}
    for history in histories:
        new = arrivals.new_to(history, now)
        mine = bought[history.user_id] & set(arrivals.item_ids[new].tolist())
        if not mine:
            continue
        users.append(history.user_id)
        for name, made in lists.items():
            shown = {place.item_id for place in made(history, K).items}
            found[name].append(len(shown & mine) / min(len(mine), K))
    if not users:
        return {"households": 0}
    values = {name: np.array(column) for name, column in found.items()}
    return {"households": len(users), **compared("recall_at_10", values, users, samples, seed)}
