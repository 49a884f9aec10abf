"""Real tokens a second, ours against a padded full softmax: ``python -m benchmarks.training_speed --out DIR``.

The peer is the loop that most tutorials show: rows padded to one length, logits of the whole catalog at every
position, Keras' ``fit`` with its dense Adam. Both train the same encoder with the same choices until they get no
better; speed counts only beside the NDCG@10 of the items that were held back. A padded position is no token.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.embedding_update import machine
from benchmarks.sequences.reading import read_sequences
from benchmarks.sequences.splits import Split, split
from pipelines.evaluation.full_ranking import Seen, target_ranks
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.attention import AttentionEncoder
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.models import Attention
from pipelines.retrieval.retriever import Scores, Watch

OURS, PEER = "ours", "padded_full_softmax"
CONFIG = NeuralConfig(
    embedding_dropout=0.2, learning_rate=3e-3, averaging=0.0, epochs=60, patience=3, length=50
)
SEQUENCES = 128
GOAL, EQUAL = 10.0, 0.98


@dataclass(frozen=True)
class Run:
    """What one system did.

    Attributes:
        tokens_per_second: Events of the rows by the seconds of the epochs after the first, which also compiles.
        seconds: Of all epochs, evaluation left out.
        epochs: How many it finished.
        ndcg: Of its best epoch, on the items held back.
        is_cut: Whether its time was over before it stopped getting better.
    """

    tokens_per_second: float
    seconds: float
    epochs: int
    ndcg: float
    is_cut: bool = False


def generate(users: int, items: int, seed: int = 0) -> Interactions:
    """Walks: mostly to one of three followers of the item, else anywhere; most rows are short, as in shops."""
    random = np.random.default_rng(seed)
    followers = random.integers(0, items, (items, 3))
    rows = []
    for length in 3 + np.minimum(random.geometric(1 / 6, users), 47):
        row = [int(random.integers(items))]
        while len(row) < length:
            follows = random.random() < 0.8
            row.append(int(followers[row[-1], random.integers(3)] if follows else random.integers(items)))
        rows.append(row)
    return Interactions.of(rows, items)


class PaddedModel(keras.Model):
    """Every position predicts by a softmax over the catalog; the table is what enters and what is compared with."""

    def __init__(self, config: NeuralConfig, items: int) -> None:
        super().__init__()
        self.config = config
        self.table = keras.layers.Embedding(
            items + 1,
            config.embedding_size,
            embeddings_initializer=keras.initializers.TruncatedNormal(config.embedding_size**-0.5),
        )
        self.dropout = keras.layers.Dropout(config.embedding_dropout)
        self.encoder = AttentionEncoder(config)

    def call(self, event: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits, shape ``(sequences, length, items)``."""
        shown = tf.cast(event > 0, tf.float32)[..., None]
        values = self.dropout(self.table(event) * shown * self.config.embedding_size**0.5, training=training)
        states = tf.math.l2_normalize(self.encoder(values, training=training), axis=-1)
        items = tf.math.l2_normalize(self.table.embeddings[1:], axis=-1)
        return tf.matmul(states, items, transpose_b=True) / self.config.temperature


class Padded:
    """Scores by the padded model, so that both systems are judged by the same code."""

    def __init__(self, model: PaddedModel) -> None:
        self.model = model

    def score(self, histories: Interactions) -> Scores:
        """Logits after the last event."""
        event = padded(histories, self.model.config.length)
        last = np.minimum(histories.lengths, self.model.config.length) - 1
        found = [
            self.model(event[begin : begin + SEQUENCES]).numpy()[np.arange(len(part)), part]
            for begin in range(0, len(last), SEQUENCES)
            for part in [last[begin : begin + SEQUENCES]]
        ]
        return np.concatenate(found)


def padded(rows: Interactions, length: int) -> Any:
    """Table rows of the latest events, zeros behind them, shape ``(users, length)``."""
    rows = rows.latest(length)
    event = np.zeros((len(rows), length), np.int32)
    event[np.arange(length) < rows.lengths[:, None]] = rows.item + 1
    return event


class Clock:
    """Times the epochs and judges after each; what judging takes is not counted."""

    def __init__(self, parts: Split) -> None:
        self.parts = parts
        self.seconds: list[float] = []
        self.ndcg: list[float] = []
        self._began = time.perf_counter()

    def judge(self, retriever: Any) -> float:
        """NDCG@10 on the items held back, those of the history left out, ties taken pessimistically."""
        self.seconds.append(time.perf_counter() - self._began)
        asked = self.parts.validation
        ranks = target_ranks(retriever, asked.histories, asked.target, Seen.FILTERED)
        self.ndcg.append(float(np.where(ranks <= 10, 1 / np.log2(ranks + 1.0), 0.0).mean()))
        self._began = time.perf_counter()
        return self.ndcg[-1]

    def is_done(self, config: NeuralConfig) -> bool:
        """Whether all epochs are over, or as many as patience allows without a better one."""
        done = len(self.ndcg)
        return done >= config.epochs or (done - 1 - int(np.argmax([*self.ndcg, -1.0])) >= config.patience)

    def run(self, *, is_cut: bool = False) -> Run:
        """What was measured; the first epoch also compiles and is not counted unless it is the only one."""
        counted = self.seconds[1:] or self.seconds
        tokens = len(self.parts.all_but_last_two.item)
        return Run(
            float(tokens / np.mean(counted)), sum(self.seconds), len(self.seconds), max(self.ndcg), is_cut
        )


def train_ours(parts: Split, config: NeuralConfig, _: float) -> Run:
    """As the retriever does it."""
    retriever, clock = Attention(config), Clock(parts)
    retriever.fit(parts.all_but_last_two, seed=1, watch=Watch(clock.judge, lambda: False))
    return clock.run()


def train_padded(parts: Split, config: NeuralConfig, minutes: float) -> Run:
    """As tutorials do it, with the same patience, or until the time is over."""
    keras.utils.set_random_seed(1)
    model = PaddedModel(config, parts.all_but_last_two.items)
    # The last event is a target; one more than the encoder's length is read.
    event = padded(parts.all_but_last_two, config.length + 1)
    entering, target = event[:, :-1], event[:, 1:].astype(np.int32) - 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model.compile(keras.optimizers.Adam(config.learning_rate), loss)
    clock, is_cut = Clock(parts), False
    while not clock.is_done(config) and not is_cut:
        model.fit(entering, target, batch_size=SEQUENCES, epochs=1, verbose=0)
        clock.judge(Padded(model))
        is_cut = sum(clock.seconds) >= 60 * minutes
    return clock.run(is_cut=is_cut and not clock.is_done(config))


SYSTEMS: dict[str, Callable[[Split, NeuralConfig, float], Run]] = {OURS: train_ours, PEER: train_padded}


def report(runs: dict[str, Run], data: dict[str, Any]) -> dict[str, Any]:
    """The common form of all benchmarks."""
    ours, peer = runs[OURS], runs[PEER]
    faster, alike = ours.tokens_per_second / peer.tokens_per_second, ours.ndcg / max(peer.ndcg, 1e-9)
    return {
        "benchmark": "training_speed",
        "command": " ".join(["python -m benchmarks.training_speed", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "data": data,
        "results": [
            {
                "system": name,
                "split": "validation",
                "metric": "ndcg_at_10",
                "value": round(run.ndcg, 5),
                "seeds": 1,
            }
            for name, run in runs.items()
        ],
        "resources": [
            {
                "system": name,
                "seconds": round(run.seconds, 1),
                "tokens_per_second": round(run.tokens_per_second),
                "epochs": run.epochs,
                "is_cut": run.is_cut,
            }
            for name, run in runs.items()
        ],
        "goals": [
            {
                "goal": f"tokens_per_second of {OURS} / {PEER} >= {GOAL:g}",
                "value": round(faster, 1),
                "met": faster >= GOAL,
            },
            {
                "goal": f"ndcg_at_10 of {OURS} / {PEER} >= {EQUAL}, both at their best",
                "value": round(alike, 3),
                "met": alike >= EQUAL and not peer.is_cut,
            },
        ],
    }


def draw(runs: dict[str, Run], file: Path) -> None:
    """Tokens a second, and what NDCG they led to."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3.2))
    axes[0].bar(list(runs), [run.tokens_per_second for run in runs.values()])
    axes[0].set(yscale="log", ylabel="real tokens a second")
    axes[1].bar(list(runs), [run.ndcg for run in runs.values()])
    axes[1].set(ylabel="NDCG@10, validation")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Measure and write ``report.json`` and ``training_speed.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a file of sequences; generated walks by default")
    parser.add_argument("--users", type=int, default=4000, help="of the generated walks")
    parser.add_argument("--items", type=int, default=4000, help="of the generated walks")
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs)
    parser.add_argument(
        "--minutes", type=float, default=30, help="after which the peer begins no further epoch"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.data:
        sequences = read_sequences(arguments.data)
        interactions, data = sequences.interactions, sequences.facts()
    else:
        interactions = generate(arguments.users, arguments.items)
        data = {"path": "generated walks", "users": arguments.users, "items": arguments.items}
    config = replace(CONFIG, epochs=arguments.epochs)
    runs: dict[str, Run] = {}
    for name, train in SYSTEMS.items():
        runs[name] = train(split(interactions), config, arguments.minutes)
        print(f"{name}: {runs[name]}", flush=True)
    (arguments.out / "report.json").write_text(json.dumps(report(runs, data), indent=2) + "\n")
    draw(runs, arguments.out / "training_speed.png")


if __name__ == "__main__":
    main()
