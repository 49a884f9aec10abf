"""Judges the candidate of the current folder and TIFU-kNN on its holdout week: the last step in a week's workspace."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.next_basket import tifu
from pipelines.evaluation.folds import Moment, read_folds
from pipelines.evaluation.lists import DEPTH, Lists
from pipelines.evaluation.measure import Truth, measure_lists
from pipelines.evaluation.truth import read_histories, read_truth
from pipelines.features.histories import Histories
from pipelines.ranking.blended import BlendedRecommender
from pipelines.ranking.bundle import read_arrays
from pipelines.tables import write_json, write_table

CANDIDATE = Path("models/candidate")
ROWS, FACTS = Path("run/week.parquet"), Path("run/week.json")


def main() -> None:
    """Write a row a system and household, and what was chosen for TIFU-kNN on the week before."""
    folds = read_folds()
    choices, reached = tifu.choose(question("validation", folds["validation"]))
    print(f"tifu_knn: {choices}, {reached:.4f} on week {folds['validation'].week}", flush=True)
    holdout = folds["holdout"]
    asked = question("holdout", holdout)
    households = asked.histories.take(asked.histories.user_ids[asked.asked])
    recommender = BlendedRecommender.load(CANDIDATE)
    ranked = [rank_product(recommender, households, holdout.at_us), tifu.rank(asked, choices)]
    rows = pd.concat([measure(whole, asked.truth) for whole in ranked])
    write_table(ROWS, pa.Table.from_pandas(rows, preserve_index=False))
    write_json(
        FACTS,
        {
            "targets_sha256": holdout.targets_sha256,
            "tifu_knn": asdict(choices) | {"validation_ndcg_at_10": reached},
            "blends": recommender.manifest["blends"],
        },
    )


def rank_product(recommender: BlendedRecommender, households: Histories, now: int) -> Lists:
    """Lists of every system, so long that enough remains when all that a household knows is taken out."""
    found = [recommender.best(one, now, DEPTH + len(set(one.items.tolist()))) for one in households]
    return Lists(
        households.user_ids,
        np.array(recommender.item_ids),
        {system: _padded([lists[system] for lists in found]) for system in recommender.systems},
    )


def _padded(
    lists: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    width = max(len(best) for best, _ in lists)
    items, scores = np.full((len(lists), width), -1, np.int32), np.full((len(lists), width), -np.inf)
    for row, (best, values) in enumerate(lists):
        items[row, : len(best)], scores[row, : len(best)] = best, values
    return items, scores


def question(fold: str, moment: Moment) -> tifu.Question:
    """What TIFU-kNN is asked on a fold: the same households and items as the candidate."""
    histories = read_histories(fold, moment)
    ids, sellable = read_arrays(Path("models/baselines") / fold / "catalog.npz", "item_ids", "sellable")
    return tifu.Question(histories, read_truth(fold, histories), ids[sellable.astype(bool)])


def measure(lists: Lists, truth: Truth) -> pd.DataFrame:
    """The product's figures; beside them repeats in the same list, and new items in a list of new items only."""
    repeats = {user: bought & truth.known.get(user, set()) for user, bought in truth.bought.items()}
    new = {user: bought - repeats[user] for user, bought in truth.bought.items()}
    again = measure_lists(_first(lists), Truth(repeats, truth.known))
    fresh = measure_lists(_first(without_known(lists, truth)), Truth(new, truth.known))
    return measure_lists(_first(lists), truth).assign(
        repeat_ndcg_at_10=again["ndcg_at_10"],
        repeat_relevant=again["relevant"],
        new_only_ndcg_at_10=fresh["ndcg_at_10"],
    )


def without_known(lists: Lists, truth: Truth) -> Lists:
    """The same lists without what each household had bought before, the rest moved up."""
    place = {str(item): at for at, item in enumerate(lists.item_ids)}
    known = [
        np.array([place[item] for item in truth.known.get(str(user), ()) if item in place], np.int64)
        for user in lists.user_ids
    ]
    found = {}
    for system, (items, scores) in lists.systems.items():
        kept = [~np.isin(row, mine) for row, mine in zip(items, known, strict=True)]
        left = [(items[user][keep], scores[user][keep]) for user, keep in enumerate(kept)]
        found[system] = _padded(left)
    return Lists(lists.user_ids, lists.item_ids, found)


def _first(lists: Lists) -> Lists:
    return Lists(
        lists.user_ids,
        lists.item_ids,
        {name: (items[:, :DEPTH], scores[:, :DEPTH]) for name, (items, scores) in lists.systems.items()},
    )


if __name__ == "__main__":
    main()
