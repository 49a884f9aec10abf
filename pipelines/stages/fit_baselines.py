"""Stage: fit the generators that need no gradient, once for each fold."""

from pathlib import Path

import numpy as np

from pipelines.evaluation.folds import read_folds
from pipelines.features.purchases import Purchases
from pipelines.params import load_params
from pipelines.ranking.bundle import write_arrays
from pipelines.retrieval.fitting.baselines import (
    codes,
    fit_companions,
    fit_factors,
    fit_neighbours,
    fit_transitions,
)
from pipelines.retrieval.fitting.reading import column, read_purchases
from pipelines.tables import read_table
from pipelines.weeks import ShopCalendar

VALIDATED = Path("data/validated")


def main() -> None:
    """Fit both folds in the workspace that is the current folder."""
    everything = load_params()
    params, calendar = everything.fit_baselines, ShopCalendar.of(everything.shop)
    for fold, moment in read_folds().items():
        features, out = Path("data/features") / fold, Path("models/baselines") / fold
        out.mkdir(parents=True, exist_ok=True)
        purchases = read_purchases(features, VALIDATED, calendar, moment.at_us, moment.week)
        fit_transitions(params, features, purchases.item_ids).save(out / "markov.npz")
        fit_neighbours(params, purchases).save(out / "neighbours.npz")
        fit_factors(params.als, purchases).save(out / "als.npz")
        damping, week = params.companion_damping, moment.week
        fit_companions(damping, features, purchases.item_ids, week).save(out / "companions.npz")
        write_arrays(out / "catalog.npz", _catalog(features, purchases))
        print(f"{fold}: {len(purchases.item_ids):,} items, {len(purchases.user_ids):,} shoppers", flush=True)


def _catalog(features: Path, purchases: Purchases) -> dict[str, np.ndarray]:
    table = read_table(features / "item_popularity.parquet")
    order = np.argsort(codes(table["item_id"], purchases.item_ids))
    return {
        "item_ids": purchases.item_ids,
        "reach": purchases.reach[purchases.moment_week],
        "kind": purchases.item_type,
        "popularity": column(table, "recent_baskets")[order].astype(np.float32),
        "sellable": column(table, "sellable")[order],
        "first_sold_us": column(table, "first_sold_us")[order],
    }


if __name__ == "__main__":
    main()
