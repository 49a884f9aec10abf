"""Metrics per household, per system and per slice, from ranked lists and what was bought."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.evaluation.bootstrap import mean_interval
from pipelines.evaluation.lists import Lists
from pipelines.metrics import PERMUTED, hit_at_k, mrr_at_k, ndcg_at_k, recall_at_k, relevant_ranks

K = 10
METRICS = (f"ndcg_at_{K}", f"recall_at_{K}", f"mrr_at_{K}", f"hit_at_{K}")


@dataclass(frozen=True)
class Truth:
    """What was bought in the week.

    Attributes:
        bought: Per household the distinct items bought.
        known: Per household the items it had bought before.
    """

    bought: Mapping[str, set[str]]
    known: Mapping[str, set[str]]


def measure_lists(lists: Lists, truth: Truth) -> pd.DataFrame:
    """One row per system and household that bought something.

    Returns:
        Columns ``system``, ``user_id``, the metrics, ``relevant`` (items bought), and
        ``new_ndcg_at_10`` and ``new_relevant``, where only items new to the household count.
    """
    rows = []
    for system, (items, scores) in lists.systems.items():
        for user, user_id in enumerate(lists.user_ids):
            placed = items[user] >= 0
            names, values = lists.item_ids[items[user][placed]], scores[user][placed]
            rows.append(
                {"system": system, "user_id": str(user_id)} | _one_list(names, values, str(user_id), truth)
            )
    return pd.DataFrame(rows)


def permuted(truth: Truth, seed: int) -> Truth:
    """Each household with what another one bought: along a cycle in random order, so that none keeps its own."""
    users = sorted(truth.bought)
    order = np.random.default_rng(seed).permutation(len(users))
    others = zip(order, np.roll(order, 1), strict=True)
    return Truth({users[user]: truth.bought[users[other]] for user, other in others}, truth.known)


def measure_permuted(lists: Lists, truth: Truth, seed: int) -> pd.DataFrame:
    """Rows of :func:`measure_lists`, and each metric by another household's purchases as ``permuted_<metric>``."""
    by_others = measure_lists(lists, permuted(truth, seed))[list(METRICS)]
    return measure_lists(lists, truth).join(by_others.add_prefix(PERMUTED))


def _one_list(
    names: NDArray[np.str_], values: NDArray[np.float64], user_id: str, truth: Truth
) -> dict[str, float]:
    bought = truth.bought[user_id]
    ranks = relevant_ranks(names, values, bought)
    new = bought - truth.known.get(user_id, set())
    new_ranks = relevant_ranks(names, values, new)
    return {
        "ndcg_at_10": ndcg_at_k(ranks, len(bought), K),
        "recall_at_10": recall_at_k(ranks, len(bought), K),
        "mrr_at_10": mrr_at_k(ranks, K),
        "hit_at_10": hit_at_k(ranks, K),
        "relevant": len(bought),
        "new_ndcg_at_10": ndcg_at_k(new_ranks, len(new), K),
        "new_relevant": len(new),
    }


def summarise(per_user: pd.DataFrame, samples: int, seed: int) -> dict[str, dict[str, float]]:
    """Mean of every metric per system, with a 95 % interval of NDCG over households."""
    out: dict[str, dict[str, float]] = {}
    for system, rows in per_user.groupby("system", sort=True):
        interval = mean_interval(rows["ndcg_at_10"].to_numpy(), samples=samples, confidence=0.95, seed=seed)
        means = {metric: float(rows[metric].mean()) for metric in METRICS}
        out[str(system)] = means | {
            "ndcg_at_10_low": interval.low,
            "ndcg_at_10_high": interval.high,
            "new_items_ndcg_at_10": float(rows.loc[rows["new_relevant"] > 0, "new_ndcg_at_10"].mean()),
        }
    return out


def coverage(lists: Lists, sellable: int) -> dict[str, float]:
    """Share of the sellable catalog that stands in somebody's first ten places, per system."""
    return {
        system: float(len(np.unique(items[:, :K][items[:, :K] >= 0])) / sellable)
        for system, (items, _) in lists.systems.items()
    }


def concentration(lists: Lists, sellable: int, share: float = 0.01) -> dict[str, float]:
    """Share of all first ten places that the most listed hundredth of the sellable catalog takes, per system."""
    few = max(1, round(share * sellable))
    found = {}
    for system, (items, _) in lists.systems.items():
        placed = items[:, :K][items[:, :K] >= 0]
        counts = np.sort(np.bincount(placed))[::-1]
        found[system] = float(counts[:few].sum() / max(1, len(placed)))
    return found


def item_recall(lists: Lists, truth: Truth, group_of: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Recall in ten places per group of items (department, cold), per system.

    Args:
        lists: The lists.
        truth: What was bought.
        group_of: The group of an item; items without one are left out.
    """
    wanted: dict[str, int] = {}
    for items in truth.bought.values():
        for item in items:
            if item in group_of:
                wanted[group_of[item]] = wanted.get(group_of[item], 0) + 1
    return {
        system: _group_hits(lists, places[0], truth, group_of, wanted)
        for system, places in lists.systems.items()
    }


def _group_hits(
    lists: Lists,
    items: NDArray[np.int32],
    truth: Truth,
    group_of: Mapping[str, str],
    wanted: Mapping[str, int],
) -> dict[str, float]:
    hits = dict.fromkeys(sorted(wanted), 0)
    for user, user_id in enumerate(lists.user_ids):
        top = items[user, :K]
        for item in set(lists.item_ids[top[top >= 0]]) & truth.bought[str(user_id)]:
            if item in group_of:
                hits[group_of[item]] += 1
    return {group: hits[group] / wanted[group] for group in hits}
