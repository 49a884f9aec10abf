"""Judges the candidate of the current folder and TIFU-kNN on its holdout week: the last step in a week's workspace."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks.next_basket import tifu
from pipelines.evaluation.folds import Moment, read_folds
from pipelines.evaluation.lists import Lists
from pipelines.evaluation.measure import Truth, measure_lists
from pipelines.evaluation.truth import read_histories, read_truth
from pipelines.ranking.bundle import read_arrays
from pipelines.stages.evaluate_candidate import score_bundles
from pipelines.tables import write_json, write_table

ROWS, FACTS = Path("run/week.parquet"), Path("run/week.json")


def main() -> None:
    """Write a row a system and household, and what was chosen for TIFU-kNN on the week before."""
    folds = read_folds()
    choices, reached = tifu.choose(question("validation", folds["validation"]))
    print(f"tifu_knn: {choices}, {reached:.4f} on week {folds['validation'].week}", flush=True)
    asked = question("holdout", folds["holdout"])
    lists = score_bundles(asked.histories.take(asked.histories.user_ids[asked.asked]), folds["holdout"])
    rows = [measure(found, asked.truth) for found in (lists["candidate"], tifu.rank(asked, choices))]
    write_table(ROWS, pa.Table.from_pandas(pd.concat(rows), preserve_index=False))
    bundle = json.loads(Path("models/candidate/bundle.json").read_text())
    write_json(
        FACTS,
        {
            "targets_sha256": folds["holdout"].targets_sha256,
            "tifu_knn": asdict(choices) | {"validation_ndcg_at_10": reached},
            "blends": bundle["blends"],
        },
    )


def question(fold: str, moment: Moment) -> tifu.Question:
    """What TIFU-kNN is asked on a fold: the same households and items as the candidate."""
    histories = read_histories(fold, moment)
    ids, sellable = read_arrays(Path("models/baselines") / fold / "catalog.npz", "item_ids", "sellable")
    return tifu.Question(histories, read_truth(fold, histories), ids[sellable.astype(bool)])


def measure(lists: Lists, truth: Truth) -> pd.DataFrame:
    """The product's figures, and beside those of new items the ones of repeats: only these count as bought."""
    repeats = Truth(
        {user: bought & truth.known.get(user, set()) for user, bought in truth.bought.items()}, truth.known
    )
    again = measure_lists(lists, repeats)
    return measure_lists(lists, truth).assign(
        repeat_ndcg_at_10=again["ndcg_at_10"], repeat_relevant=again["relevant"]
    )


if __name__ == "__main__":
    main()
