"""Fits the sequence model: deterministic for a seed, resumable after any epoch, weights as plain arrays."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.features.purchases import Purchases
from pipelines.features.shopper import item_statistics
from pipelines.ranking.bundle import write_arrays
from pipelines.retrieval.fitting.sequence_config import SequenceConfig
from pipelines.retrieval.fitting.sequence_data import (
    Vocabulary,
    WeekExamples,
    build_vocabulary,
    build_week,
    make_batch,
)
from pipelines.retrieval.fitting.sequence_model import BATCH_SIGNATURE, SequenceModel
from pipelines.retrieval.fitting.warm_start import WarmStart

Arrays = dict[str, NDArray[np.generic]]
Progress = Callable[[int, float], None]
FIRST_TARGET_WEEK = 4
NEGATIVE_WEEKS = 26
NEGATIVE_SMOOTHING = 0.75


class TrainingError(Exception):
    """Training cannot go on; the message says where and what to change."""


@dataclass(frozen=True)
class Examples:
    """What a fit reads.

    Attributes:
        weeks: The target weeks, oldest first.
        vocabulary: Embedding rows.
        chance: Probability with which each item is drawn as a negative, shape ``(items,)``.
        statistics: Catalog features at the moment, shape ``(items, 8)``.
    """

    weeks: list[WeekExamples]
    vocabulary: Vocabulary
    chance: NDArray[np.float64]
    statistics: NDArray[np.float32]


def prepare_tensorflow(seed: int, threads: int) -> None:
    """Seeds, deterministic operations and fixed threads, since a sum's order depends on their number."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if tf.config.list_physical_devices("GPU"):
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def read_examples(purchases: Purchases, config: SequenceConfig) -> Examples:
    """Examples of the last target weeks before the moment; all of ``purchases`` is known then."""
    week = purchases.moment_week
    first = max(int(purchases.week.min()) + FIRST_TARGET_WEEK - 1, week - config.target_weeks)
    if first >= week:
        raise TrainingError(
            f"week {week}: no target week with {FIRST_TARGET_WEEK - 1} weeks of history before it; land more weeks "
            "or raise split_weeks.history_weeks in params.yaml"
        )
    recent = purchases.item[purchases.week >= week - NEGATIVE_WEEKS]
    weight = np.bincount(recent, minlength=len(purchases.item_ids)).astype(np.float64) ** NEGATIVE_SMOOTHING
    columns = (purchases.item, purchases.week, purchases.shopper, purchases.day)
    return Examples(
        weeks=[build_week(purchases, target) for target in range(first, week)],
        vocabulary=build_vocabulary(purchases, config.minimum),
        chance=weight / weight.sum(),
        statistics=item_statistics(*columns, purchases.reach, week),
    )


def epoch_batches(examples: Examples, config: SequenceConfig, epoch: int) -> Iterator[Arrays]:
    """The batches of one epoch, in an order that depends only on the seed and the epoch."""
    random = np.random.default_rng([config.seed, epoch])
    plan = []
    for position, week in enumerate(examples.weeks):
        order = random.permutation(len(week.shopper))
        plan += [(position, chunk) for chunk in np.array_split(order, _batches(week, config.batch))]
    cumulative = np.cumsum(examples.chance)
    log_expected = np.log(config.negatives * np.maximum(examples.chance, 1e-12)).astype(np.float32)
    for index in random.permutation(len(plan)):
        position, chunk = plan[index]
        draws = np.minimum(np.searchsorted(cumulative, random.random(config.negatives)), len(cumulative) - 1)
        yield make_batch(examples.weeks[position], chunk, examples.vocabulary, draws, log_expected[draws])


def _batches(week: WeekExamples, batch: int) -> int:
    return max(1, round(len(week.shopper) / batch))


def fit_sequence(
    examples: Examples,
    config: SequenceConfig,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    start: WarmStart | None = None,
) -> Arrays:
    """Train, and give the plain arrays that :class:`~pipelines.retrieval.sequence.SequenceScorer` reads.

    On several devices each step feeds one batch to each of them.

    Args:
        examples: What to learn from.
        config: Sizes and training choices.
        checkpoint: File to resume from and to replace after each epoch.
        progress: Called with (finished epochs, mean loss) after each epoch.
        start: An earlier fit to begin with; the optimiser begins anew.

    Raises:
        TrainingError: The loss is not a number.
        WarmStartError: ``start`` is of another size or form; nothing was trained.
    """
    strategy = tf.distribute.get_strategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        strategy = tf.distribute.MirroredStrategy()
    steps = sum(_batches(week, config.batch) for week in examples.weeks) // strategy.num_replicas_in_sync
    with strategy.scope():
        model = _compiled(examples, config, steps, start)
    tell = progress or (lambda _epoch, _loss: None)
    losses = _resume(model, checkpoint)
    for epoch, loss in enumerate(losses, start=1):
        tell(epoch, loss)
    for epoch in range(len(losses), config.epochs):
        losses.append(_run_epoch(model, strategy, examples, config, epoch, steps))
        if not np.isfinite(losses[-1]):
            raise TrainingError(
                f"epoch {epoch + 1}: the loss is {losses[-1]}; the checkpoint of epoch {epoch} is kept. Lower "
                "train_sequence.learning_rate in params.yaml"
            )
        _keep(model, checkpoint, losses)
        tell(epoch + 1, losses[-1])
    return _exported(model, examples)


def _compiled(
    examples: Examples, config: SequenceConfig, steps: int, start: WarmStart | None
) -> SequenceModel:
    keras.utils.set_random_seed(config.seed)
    scaling = _scaling(examples.weeks[-1])
    if start:
        scaling = start.scaling({name: value.shape for name, value in scaling.items()})
    model = SequenceModel(config, examples.vocabulary.rows, examples.vocabulary.types, scaling)
    schedule = keras.optimizers.schedules.CosineDecay(
        config.rate / 10,
        max(steps * config.epochs, 1),
        alpha=0.02,
        warmup_target=config.rate,
        warmup_steps=min(40, steps // 4),
    )
    model.compile(optimizer=keras.optimizers.AdamW(schedule, weight_decay=config.decay))
    first = next(epoch_batches(examples, config, 0))
    model({name: tf.constant(value) for name, value in first.items()})
    if start:
        _begin_with(model, start, examples)
    model.optimizer.build(model.trainable_variables)
    return model


def _begin_with(model: SequenceModel, start: WarmStart, examples: Examples) -> None:
    variables = _named(model)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    for name, value in start.weights(examples.vocabulary, shapes).items():
        variables[name].assign(value)


def _named(model: SequenceModel) -> dict[str, keras.Variable]:
    """Weights by the names that the arrays have."""
    return {variable.path.removeprefix("sequence/"): variable for variable in model.trainable_variables}


def _run_epoch(
    model: SequenceModel,
    strategy: tf.distribute.Strategy,
    examples: Examples,
    config: SequenceConfig,
    epoch: int,
    steps: int,
) -> float:
    def batches(_: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        made = tf.data.Dataset.from_generator(
            lambda: epoch_batches(examples, config, epoch), output_signature=BATCH_SIGNATURE
        )
        return made.prefetch(2)

    data = batches()
    if strategy.num_replicas_in_sync > 1:
        # Packed batches have no common first axis to cut: each replica takes whole ones.
        data = strategy.distribute_datasets_from_function(batches)
    history = model.fit(data, epochs=1, steps_per_epoch=steps, verbose=0)
    return float(history.history["loss"][-1])


def _scaling(week: WeekExamples) -> dict[str, NDArray[np.float32]]:
    """Shift and scale of each feature block, from the last target week."""
    blocks = {
        "history": week.history_features,
        "type": week.type_features,
        "context": week.context,
        "statistics": week.statistics,
    }
    scaling = {}
    for name, values in blocks.items():
        scaling[f"{name}_shift"] = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = values.std(axis=0, dtype=np.float64)
        scaling[f"{name}_scale"] = (1.0 / np.maximum(spread, 0.05)).astype(np.float32)
    return scaling


def _exported(model: SequenceModel, examples: Examples) -> Arrays:
    arrays: Arrays = {name: variable.numpy() for name, variable in _named(model).items()}
    arrays |= {name: value.numpy() for name, value in model.scaling.items()}
    vocabulary = examples.vocabulary
    return arrays | {
        "item_row": vocabulary.row,
        "item_type": vocabulary.item_type,
        "item_statistics": examples.statistics,
    }


def _keep(model: SequenceModel, path: Path | None, losses: list[float]) -> None:
    """Weights, optimiser state and the loss of each finished epoch, whole or not at all."""
    if path is None:
        return
    state = {f"model_{place:03d}": v.numpy() for place, v in enumerate(model.variables)}
    state |= {f"optimizer_{place:03d}": v.numpy() for place, v in enumerate(model.optimizer.variables)}
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(partial, state | {"losses": np.array(losses)})
    partial.replace(path)


def _resume(model: SequenceModel, path: Path | None) -> list[float]:
    """Restore a checkpoint if there is one; the losses of its epochs."""
    if path is None or not path.exists():
        return []
    with np.load(path) as state:
        for prefix, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
            for place, variable in enumerate(variables):
                variable.assign(state[f"{prefix}_{place:03d}"])
        return [float(loss) for loss in state["losses"]]
