"""How well a shop's own list is ordered: what a household bought among as many again that others buy."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import History, RankedList
from pipelines.evaluation.compared import compared
from pipelines.evaluation.measure import K
from pipelines.metrics import ndcg_at_k

BOUGHT, OTHERS = 5, 45
Order = Callable[[History, Sequence[str]], RankedList]


def drawn_list(
    bought: Sequence[str],
    item_ids: NDArray[np.str_],
    share: NDArray[np.float64],
    generator: np.random.Generator,
) -> tuple[list[str], frozenset[str]]:
    """A list of at most ``BOUGHT`` + ``OTHERS`` items in drawn order, and which of them were bought.

    Args:
        bought: What the household bought, all of it among ``item_ids``.
        item_ids: The catalog.
        share: How likely each is drawn as one of the others: as often as it is bought; sums to 1.
        generator: Draws.
    """
    relevant = generator.permutation(np.array(sorted(bought)))[:BOUGHT].tolist()
    likely = np.where(np.isin(item_ids, np.array(list(bought))), 0.0, share)
    others: list[str] = []
    if most := min(OTHERS, int(np.count_nonzero(likely))):
        others = generator.choice(item_ids, most, replace=False, p=likely / likely.sum()).tolist()
    mixed = generator.permutation(np.array([*relevant, *others])).tolist()
    return mixed, frozenset(relevant)


def measure_order(
    orders: Mapping[str, Order],
    histories: Sequence[History],
    bought: Mapping[str, set[str]],
    item_ids: NDArray[np.str_],
    popularity: NDArray[np.float64],
    samples: int,
    seed: int,
) -> dict[str, object]:
    """NDCG in ten places of each household's list.

    Args:
        orders: By name; the first is judged.
        histories: Of the households.
        bought: By household.
        item_ids: The catalog.
        popularity: Of each item.
        samples: Of the bootstrap over households.
        seed: Of drawing and bootstrap.

    Returns:
        ``lists``, and ``ndcg_at_10`` of each order with its 95 % interval; only ``lists`` where there are none.
    """
    generator, known, share = (
        np.random.default_rng(seed),
        set(item_ids.tolist()),
        popularity / popularity.sum(),
    )
    users: list[str] = []
    found: dict[str, list[float]] = {name: [] for name in orders}
    for history in histories:
        mine = bought[history.user_id] & known
        if not mine:
            continue
        users.append(history.user_id)
        items, relevant = drawn_list(sorted(mine), item_ids, share, generator)
        for name, order in orders.items():
            found[name].append(_ndcg(order(history, items), relevant))
    if not users:
        return {"lists": 0}
    values = {name: np.array(column) for name, column in found.items()}
    return {"lists": len(users), **compared("ndcg_at_10", values, users, samples, seed)}


def _ndcg(ranked: RankedList, relevant: frozenset[str]) -> float:
    ranks = [rank for rank, place in enumerate(ranked.items, start=1) if place.item_id in relevant]
    return ndcg_at_k(np.array(ranks, np.int64), len(relevant), K)
