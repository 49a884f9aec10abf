"""The figures of an evaluation: overall, by slice of households, by group of items."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.evaluation.lists import Lists
from pipelines.evaluation.measure import K, Truth, concentration, coverage, item_recall, summarise
from pipelines.features.histories import Histories
from pipelines.params import EvaluateCandidate
from pipelines.ranking.bundle import read_arrays
from pipelines.tables import read_table

WEEK_US = 604_800_000_000


@dataclass(frozen=True)
class Grouping:
    """By what the figures are cut.

    Attributes:
        households: Slice of each household.
        departments: Department of each item.
        cold_items: ``cold`` or ``established`` of each item.
        sellable: How many items may be recommended.
    """

    households: Mapping[str, str]
    departments: Mapping[str, str]
    cold_items: Mapping[str, str]
    sellable: int


def read_grouping(fold: str, at_us: int, params: EvaluateCandidate, histories: Histories) -> Grouping:
    """The grouping of a fold, from its histories, its catalog and the items."""
    baskets = np.array([history.baskets[-1] + 1 for history in histories])
    heavy = np.quantile(baskets, 1 - params.heavy_share)
    names = np.select([baskets <= params.new_household_baskets, baskets >= heavy], ["new", "heavy"], "usual")
    items = read_table(Path("data/validated/items.parquet"))
    departments = dict(zip(items["item_id"].to_pylist(), items["department"].to_pylist(), strict=True))
    ids, first, sellable = read_arrays(
        Path("models/baselines") / fold / "catalog.npz", "item_ids", "first_sold_us", "sellable"
    )
    recent = {str(item) for item in ids[first >= at_us - params.cold_item_weeks * WEEK_US]}
    established = {str(item) for item in ids} - recent
    cold = {item: "established" if item in established else "cold" for item in departments}
    return Grouping(
        dict(zip(histories.user_ids.tolist(), names.tolist(), strict=True)),
        {item: str(name) for item, name in departments.items() if name},
        cold,
        int(sellable.sum()),
    )


def build_report(
    week: int,
    per_user: pd.DataFrame,
    lists: Mapping[str, Lists],
    truth: Truth,
    grouping: Grouping,
    params: EvaluateCandidate,
) -> dict[str, Any]:
    """``metrics.json``: the candidate's figures first, then every system, slice and group.

    Args:
        week: The holdout week.
        per_user: Output of :func:`~pipelines.evaluation.measure.measure_lists` for all systems, and the column
            ``slice`` of each household.
        lists: Lists by bundle.
        truth: What was bought.
        grouping: How to cut.
        params: Samples and seed of the intervals.
    """
    systems = summarise(per_user, params.bootstrap_samples, params.seed)
    for found in lists.values():
        for system, share in coverage(found, grouping.sellable).items():
            systems[system][f"coverage_at_{K}"] = share
        for system, share in concentration(found, grouping.sellable).items():
            systems[system][f"concentration_at_{K}"] = share
    households = per_user[per_user["system"] == per_user["system"].iloc[0]].groupby("slice").size()
    by_slice = per_user.groupby(["slice", "system"])["ndcg_at_10"].mean()
    groups = {
        name: {
            system: recall
            for found in lists.values()
            for system, recall in item_recall(found, truth, of).items()
        }
        for name, of in (("departments", grouping.departments), ("items", grouping.cold_items))
    }
    return {
        "week": week,
        "households": int(per_user["user_id"].nunique()),
        "candidate": systems["blend"],
        "systems": systems,
        "slices": {
            str(name): {"households": int(count), "ndcg_at_10": by_slice[name].to_dict()}
            for name, count in households.items()
        },
        f"recall_at_{K}_by_department": _named(
            groups["departments"], ("blend", "personal_frequency_decayed")
        ),
        f"recall_at_{K}_by_item_age": groups["items"],
    }


def _named(groups: dict[str, dict[str, float]], systems: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {system: groups[system] for system in systems if system in groups}
