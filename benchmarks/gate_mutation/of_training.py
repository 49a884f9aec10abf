"""Sabotages of labels, features and training, before the stage that reads what they change."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.gate_mutation.sabotage import (
    Sabotage,
    draw,
    edit_arrays,
    edit_manifest,
    edit_params,
    edit_table,
    reverse_weights,
)
from pipelines.evaluation.folds import FOLDS, read_folds
from pipelines.tables import read_table

WEEK_US = 7 * 86_400_000_000
KEPT_ITEMS = 200


def _week_of_holdout(workspace: Path, back_us: int) -> pa.Table:
    """The events of the holdout week, moved back in time."""
    at_us = read_folds(workspace / "data/split/split.json")["holdout"].at_us
    events = read_table(workspace / "data/validated/events.parquet")
    when = events["occurred_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    events = events.filter(pc.greater_equal(when, at_us))
    for name in ("occurred_at", "ingested_at"):
        moved = pc.subtract(events[name].cast(pa.timestamp("us", "UTC")).cast(pa.int64()), back_us)
        column = moved.cast(pa.timestamp("us", "UTC")).cast(events[name].type)
        events = events.set_column(events.column_names.index(name), name, column)
    return events


def _add_to_holdout(workspace: Path, back_us: int) -> None:
    file = workspace / "data/split/holdout_events.parquet"
    week = read_folds(workspace / "data/split/split.json")["holdout"].week - bool(back_us)

    def change(table: pa.Table) -> pa.Table:
        leaked = _week_of_holdout(workspace, back_us)
        leaked = leaked.append_column("week", pa.array([week] * len(leaked), table["week"].type))
        both = pa.concat_tables([table, leaked.select(table.column_names).cast(table.schema)])
        return both.sort_by([("occurred_at", "ascending"), ("event_id", "ascending")])

    edit_table(file, change)


def label_leak(workspace: Path) -> None:
    """The holdout's purchases are in the training set, dated a week earlier."""
    _add_to_holdout(workspace, WEEK_US)


def train_test_overlap(workspace: Path) -> None:
    """The training set goes on into the holdout week."""
    _add_to_holdout(workspace, 0)


def targets_of_wrong_week(workspace: Path) -> None:
    """The holdout is judged by what was bought in the week before."""
    split = workspace / "data/split"
    shutil.copyfile(split / "validation_targets.parquet", split / "holdout_targets.parquet")


def shuffled_labels(workspace: Path) -> None:
    """The weights of the blend are learned on purchases given to other households."""

    def change(table: pa.Table) -> pa.Table:
        mixed = table["item_id"].take(pa.array(draw().permutation(len(table))))
        mixed = table.set_column(table.column_names.index("item_id"), "item_id", mixed)
        pairs = mixed.group_by(["user_id", "item_id"]).aggregate([]).select(table.column_names)
        return pairs.sort_by([("user_id", "ascending"), ("item_id", "ascending")])

    edit_table(workspace / "data/split/validation_targets.parquet", change)


def truncated_vocabulary(workspace: Path) -> None:
    """All but the 200 most sold items are cut off before features are built."""
    for fold in FOLDS:

        def change(table: pa.Table) -> pa.Table:
            counts = table["item_id"].drop_null().value_counts()
            order = pc.sort_indices(counts.field("counts"), sort_keys=[("", "descending")])
            kept = counts.field("values").take(order[:KEPT_ITEMS])
            return table.filter(pc.is_in(table["item_id"], kept))

        edit_table(workspace / f"data/split/{fold}_events.parquet", change)


def shuffled_sequences(workspace: Path) -> None:
    """What the models are fitted on has its items dealt out anew over all baskets."""
    for fold in FOLDS:

        def change(table: pa.Table) -> pa.Table:
            mixed = table["item_id"].take(pa.array(draw().permutation(len(table))))
            return table.set_column(table.column_names.index("item_id"), "item_id", mixed)

        edit_table(workspace / f"data/features/{fold}/basket_lines.parquet", change)


def stale_features(workspace: Path) -> None:
    """The features of the holdout are those of the week before."""
    features = workspace / "data/features"
    shutil.rmtree(features / "holdout")
    shutil.copytree(features / "validation", features / "holdout")


def no_epochs(workspace: Path) -> None:
    """The sequence model is trained for 0 epochs."""
    edit_params(workspace, "train_sequence.epochs", 0)


def learns_nothing(workspace: Path) -> None:
    """The sequence model is trained at a learning rate of a billionth."""
    edit_params(workspace, "train_sequence.learning_rate", 1e-9)


def huge_learning_rate(workspace: Path) -> None:
    """The sequence model is trained at a learning rate of 5."""
    edit_params(workspace, "train_sequence.learning_rate", 5.0)


def _noise(arrays: dict[str, Any]) -> dict[str, Any]:
    numbers = draw()
    return {
        name: numbers.normal(0, values.std() or 1.0, values.shape).astype(values.dtype)
        if np.issubdtype(values.dtype, np.floating) and values.ndim > 1
        else values
        for name, values in arrays.items()
    }


def random_embeddings(workspace: Path) -> None:
    """The refitted sequence model's matrices are noise; the weights were learned on a good one."""
    edit_arrays(workspace / "models/sequence/holdout/sequence.npz", _noise)


def broken_neural_part(workspace: Path) -> None:
    """The sequence model's matrices are noise at both moments, behind companions that are good."""
    for fold in FOLDS:
        edit_arrays(workspace / f"models/sequence/{fold}/sequence.npz", _noise)


def nan_in_factors(workspace: Path) -> None:
    """Every tenth item's factors are not numbers."""

    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        arrays["vectors"][::10] = np.nan
        return arrays

    edit_arrays(workspace / "models/baselines/holdout/als.npz", change)


def old_index_with_new_model(workspace: Path) -> None:
    """The index of items is that of the week before, the sequence model is of this week."""
    baselines = workspace / "models/baselines"
    shutil.copyfile(baselines / "validation/catalog.npz", baselines / "holdout/catalog.npz")


def popularity_only(workspace: Path) -> None:
    """The blend gives all its weight to popularity."""

    def change(manifest: dict[str, Any]) -> None:
        for part in manifest["blends"]["blend"]:
            part["weight"] = float(part["system"] == "popularity")

    edit_manifest(workspace, change)


def permuted_weights(workspace: Path) -> None:
    """The weights of the blend are given to its parts in the opposite order."""
    reverse_weights(workspace)


def weights_learned_on_holdout(workspace: Path) -> None:
    """The weights of the blend are learned on the purchases that it is judged by."""
    split = workspace / "data/split"
    shutil.copyfile(split / "holdout_targets.parquet", split / "validation_targets.parquet")


def features_of_other_households(workspace: Path) -> None:
    """What the models are fitted on has each household's baskets under the id of the next one."""
    for fold in FOLDS:

        def change(table: pa.Table) -> pa.Table:
            users = pc.unique(table["user_id"]).sort()
            following = users.take(pa.array(np.roll(np.arange(len(users)), -1)))
            moved = following.take(pc.index_in(table["user_id"], users).combine_chunks())
            return table.set_column(table.column_names.index("user_id"), "user_id", moved)

        edit_table(workspace / f"data/features/{fold}/basket_lines.parquet", change)


def baskets_of_one_moment(workspace: Path) -> None:
    """What the models are fitted on has all baskets at the moment of the newest one."""
    for fold in FOLDS:

        def change(table: pa.Table) -> pa.Table:
            newest = pa.array([pc.max(table["occurred_us"]).as_py()] * len(table), table["occurred_us"].type)
            return table.set_column(table.column_names.index("occurred_us"), "occurred_us", newest)

        edit_table(workspace / f"data/features/{fold}/basket_lines.parquet", change)


def lines_counted_twice(workspace: Path) -> None:
    """What the models are fitted on has every line twice."""
    for fold in FOLDS:
        edit_table(
            workspace / f"data/features/{fold}/basket_lines.parquet",
            lambda table: table.take(pa.array(np.repeat(np.arange(len(table)), 2))),
        )


def odd_weeks_only(workspace: Path) -> None:
    """What the models are fitted on lacks every second week."""
    for fold in FOLDS:
        edit_table(
            workspace / f"data/features/{fold}/basket_lines.parquet",
            lambda table: table.filter(pc.equal(pc.bit_wise_and(table["week"], 1), 1)),
        )


def weights_negated(workspace: Path) -> None:
    """The weights of the blend have the opposite sign."""

    def change(manifest: dict[str, Any]) -> None:
        for part in manifest["blends"]["blend"]:
            part["weight"] = -part["weight"]

    edit_manifest(workspace, change)


def broken_baseline(workspace: Path) -> None:
    """A baseline that the candidate is compared with has the same factors for every item."""

    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        arrays["vectors"][:] = arrays["vectors"][0]
        return arrays

    edit_arrays(workspace / "models/baselines/holdout/als.npz", change)


def model_of_the_week_before(workspace: Path) -> None:
    """All parts of the candidate are those that were fitted for the week before."""
    for part in ("baselines", "sequence"):
        shutil.rmtree(workspace / f"models/{part}/holdout")
        shutil.copytree(workspace / f"models/{part}/validation", workspace / f"models/{part}/holdout")


TRAINING = (
    Sabotage("label_leak", "labels", "build_features", "developed", label_leak),
    Sabotage("targets_of_wrong_week", "labels", "evaluate_candidate", "developed", targets_of_wrong_week),
    Sabotage("train_test_overlap", "labels", "build_features", "developed", train_test_overlap),
    Sabotage("shuffled_labels", "labels", "blend_candidate", "unseen", shuffled_labels),
    Sabotage("shuffled_sequences", "features", "fit_baselines", "developed", shuffled_sequences),
    Sabotage("truncated_vocabulary", "features", "build_features", "unseen", truncated_vocabulary),
    Sabotage("stale_features", "features", "fit_baselines", "developed", stale_features),
    Sabotage("no_epochs", "training", "train_sequence", "developed", no_epochs),
    Sabotage("broken_neural_part", "training", "blend_candidate", "developed", broken_neural_part),
    Sabotage("nan_in_factors", "training", "blend_candidate", "developed", nan_in_factors),
    Sabotage("popularity_only", "training", "evaluate_candidate", "developed", popularity_only),
    Sabotage("huge_learning_rate", "training", "train_sequence", "developed", huge_learning_rate),
    Sabotage("random_embeddings", "training", "blend_candidate", "unseen", random_embeddings),
    Sabotage("permuted_weights", "training", "evaluate_candidate", "unseen", permuted_weights),
    Sabotage("old_index_with_new_model", "training", "blend_candidate", "unseen", old_index_with_new_model),
    Sabotage(
        "weights_learned_on_holdout", "labels", "blend_candidate", "developed", weights_learned_on_holdout
    ),
    Sabotage(
        "features_of_other_households", "features", "fit_baselines", "developed", features_of_other_households
    ),
    Sabotage("baskets_of_one_moment", "features", "fit_baselines", "developed", baskets_of_one_moment),
    Sabotage("broken_baseline", "training", "blend_candidate", "unseen", broken_baseline),
    Sabotage("model_of_the_week_before", "training", "blend_candidate", "unseen", model_of_the_week_before),
    Sabotage("learns_nothing", "training", "train_sequence", "unseen", learns_nothing),
    Sabotage("lines_counted_twice", "features", "fit_baselines", "unseen", lines_counted_twice),
    Sabotage("odd_weeks_only", "features", "fit_baselines", "unseen", odd_weeks_only),
    Sabotage("weights_negated", "training", "evaluate_candidate", "unseen", weights_negated),
)
