"""One update of an item table, lazy and dense: ``python -m benchmarks.embedding_update --out DIR``.

Our lazy Adam and Keras' dense one look the same rows up, find the gradient of the same loss and move the table, in
turn within one run. What the first update makes of the touched rows is compared before any time counts.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.conclusion import conclude
from benchmarks.heading import heading
from pipelines.retrieval.neural.rows_adam import RowsAdam

OURS, PEER = "rows_adam", "keras_adam"
EMBEDDING_SIZE = 64
TOUCHED = 2000
RATE = 1e-3
GOAL = 10.0
WARM = 2

Measured = dict[int, dict[str, list[float]]]
Update = Callable[[tf.Tensor], None]


def lazy(start: tf.Tensor) -> tuple[tf.Variable, Update]:
    """A table, and what moves the rows it is given by their gradient, as training does it."""
    table = tf.Variable(start)
    optimizer, steps = RowsAdam(table, RATE), tf.Variable(0.0, trainable=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def update(rows: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            values = optimizer.gather(rows)
            tape.watch(values)
            loss = tf.reduce_sum(values**2)
        steps.assign_add(1.0)
        optimizer.apply(rows, tape.gradient(loss, values), steps)

    return table, update


def dense(start: tf.Tensor) -> tuple[tf.Variable, Update]:
    """The same with Keras' Adam, which moves every row and every moment."""
    table = keras.Variable(start)
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build([table])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def update(rows: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table.value, rows) ** 2)
        optimizer.apply([tape.gradient(loss, table.value)], [table])

    return table.value, update


def measure(items: int, steps: int) -> dict[str, list[float]]:
    """Milliseconds of each update, by system.

    Args:
        items: Rows of the table.
        steps: Updates that count.

    Raises:
        AssertionError: The first update of both is not the same.
    """
    random = np.random.default_rng(items)
    start = tf.constant(random.normal(size=(items, EMBEDDING_SIZE)).astype(np.float32))
    systems = {OURS: lazy(start), PEER: dense(start)}
    del start
    found: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(WARM + steps):
        rows = random.choice(items, min(TOUCHED, items // 2), replace=False)
        for name, (table, update) in systems.items():
            began = time.perf_counter()
            update(tf.constant(rows.astype(np.int32)))
            # Waits for the update; reading the variable as a whole would copy it.
            tf.gather(table, rows[:1]).numpy()
            found[name].append(1000 * (time.perf_counter() - began))
        if number == 0:
            ours, theirs = (tf.gather(table, rows).numpy() for table, _ in systems.values())
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    return {name: times[WARM:] for name, times in found.items()}


def report(measured: Measured) -> dict[str, Any]:
    """The common form of all benchmarks."""
    largest = max(measured)
    ratio = _median(measured, largest, PEER) / _median(measured, largest, OURS)
    return {
        **heading(
            "embedding_update",
            {"embedding_size": EMBEDDING_SIZE, "touched_rows": TOUCHED, "items": sorted(measured)},
        ),
        "results": [
            {
                "system": system,
                "split": f"{items} items",
                "metric": "milliseconds",
                "value": round(statistics.median(times), 3),
                "low": round(min(times), 3),
                "high": round(max(times), 3),
            }
            for items, systems in sorted(measured.items())
            for system, times in systems.items()
        ],
        "resources": [
            {
                "system": system,
                "seconds": round(sum(times) / 1000, 2),
                "split": f"{items} items",
                "runs": len(times),
            }
            for items, systems in sorted(measured.items())
            for system, times in systems.items()
        ],
        "goals": [
            {
                "goal": f"milliseconds of {PEER} / {OURS} at {largest} items >= {GOAL:g}",
                "value": round(ratio, 1),
                "met": ratio >= GOAL,
            }
        ],
    }


def _median(measured: Measured, items: int, system: str) -> float:
    return statistics.median(measured[items][system])


def draw(measured: Measured, file: Path) -> None:
    """Milliseconds of an update by the size of the table."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.6))
    sizes = sorted(measured)
    for system in (OURS, PEER):
        axis.plot(sizes, [_median(measured, items, system) for items in sizes], marker="o", label=system)
    axis.set(xscale="log", yscale="log", xlabel="items", ylabel="milliseconds of an update")
    axis.legend()
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Measure and write ``report.json`` and ``embedding_update.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding_update", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = {items: measure(items, arguments.steps) for items in arguments.items}
    whole = report(measured)
    conclude(whole, arguments.out)
    draw(measured, arguments.out / "embedding_update.png")


if __name__ == "__main__":
    main()
