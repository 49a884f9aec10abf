"""Real tokens a second, ours against a padded full softmax: ``python -m benchmarks.training_speed --out DIR``.

The peer is the loop that most tutorials show: rows padded to one length, logits of the whole catalog at every
position, Keras' ``fit`` with its dense Adam. Both train the same encoder with the same choices until they get no
better; speed counts only beside the NDCG@10 of the items that were held back. A padded position is no token.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.heading import heading
from benchmarks.sequences.arguments import refused
from benchmarks.sequences.reading import SequencesError
from benchmarks.sequences.splits import Split, split
from benchmarks.walks import read_or_generate
from pipelines.evaluation.full_ranking import Seen, target_ranks
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.attention import AttentionEncoder
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.models import Attention
from pipelines.retrieval.retriever import Scores, Watch
from pipelines.tables import write_json

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
        ndcg: Of its best epoch, on the items held back; None when it was only timed.
        is_cut: Whether its time was over before it stopped getting better.
    """

    tokens_per_second: float
    seconds: float
    epochs: int
    ndcg: float | None
    is_cut: bool = False


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


def train_ours(parts: Split, config: NeuralConfig) -> Run:
    """As the retriever does it."""
    retriever, clock = Attention(config), Clock(parts)
    retriever.fit(parts.all_but_last_two, seed=1, watch=Watch(clock.judge, lambda: False))
    return clock.run()


def compiled(train: Interactions, config: NeuralConfig) -> tuple[PaddedModel, Any, Any]:
    """The peer, what enters it and what it is to predict, both of shape ``(users, length)``."""
    model = PaddedModel(config, train.items)
    # The last event is a target; one more than the encoder's length is read.
    event = padded(train, config.length + 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model.compile(keras.optimizers.Adam(config.learning_rate), loss)
    return model, event[:, :-1], event[:, 1:].astype(np.int32) - 1


def train_padded(parts: Split, config: NeuralConfig, minutes: float) -> Run:
    """As tutorials do it, with the same patience, or until the time is over."""
    keras.utils.set_random_seed(1)
    model, entering, target = compiled(parts.all_but_last_two, config)
    clock, is_cut = Clock(parts), False
    while not clock.is_done(config) and not is_cut:
        model.fit(entering, target, batch_size=SEQUENCES, epochs=1, verbose=0)
        clock.judge(Padded(model))
        is_cut = sum(clock.seconds) >= 60 * minutes
    return clock.run(is_cut=is_cut and not clock.is_done(config))


def time_padded(parts: Split, config: NeuralConfig, steps: int) -> Run:
    """Only its speed: as many steps on drawn users, once to compile and once that counts."""
    keras.utils.set_random_seed(1)
    users = np.random.default_rng(1).permutation(len(parts.all_but_last_two))[: steps * SEQUENCES]
    some = parts.all_but_last_two.take(np.sort(users))
    model, entering, target = compiled(some, config)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        model.fit(entering, target, batch_size=SEQUENCES, epochs=1, verbose=0)
        seconds.append(time.perf_counter() - began)
    return Run(len(some.item) / seconds[1], sum(seconds), len(seconds), None)


def report(runs: dict[str, Run], data: dict[str, Any]) -> dict[str, Any]:
    """The common form of all benchmarks."""
    ours, peer = runs[OURS], runs[PEER]
    faster = ours.tokens_per_second / peer.tokens_per_second
    return {
        **heading("training_speed", data),
        "results": [
            {
                "system": name,
                "split": "validation",
                "metric": "ndcg_at_10",
                "value": round(run.ndcg, 5),
                "seeds": 1,
            }
            for name, run in runs.items()
            if run.ndcg is not None
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
            *_quality(ours, peer),
        ],
    }


def _quality(ours: Run, peer: Run) -> list[dict[str, Any]]:
    if ours.ndcg is None or peer.ndcg is None:
        return []
    alike = ours.ndcg / max(peer.ndcg, 1e-9)
    return [
        {
            "goal": f"ndcg_at_10 of {OURS} / {PEER} >= {EQUAL}, both at their best",
            "value": round(alike, 3),
            "met": alike >= EQUAL and not peer.is_cut,
        }
    ]


def draw(runs: dict[str, Run], file: Path) -> None:
    """Tokens a second, and what NDCG they led to."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7, 3.2))
    axes[0].bar(list(runs), [run.tokens_per_second for run in runs.values()])
    axes[0].set(yscale="log", ylabel="real tokens a second")
    axes[1].bar(list(runs), [run.ndcg or 0.0 for run in runs.values()])
    axes[1].set(ylabel="NDCG@10, validation")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def main() -> int:
    """Measure and write ``report.json`` and ``training_speed.png``."""
    arguments = _arguments()
    try:
        interactions, data = read_or_generate(arguments.data, arguments.users, arguments.items)
    except SequencesError as error:
        return refused(str(error))
    arguments.out.mkdir(parents=True, exist_ok=True)
    config, parts = replace(CONFIG, epochs=arguments.epochs), split(interactions)
    runs = {OURS: train_ours(parts, config)}
    print(f"{OURS}: {runs[OURS]}", flush=True)
    if arguments.peer_steps:
        runs[PEER] = time_padded(parts, config, arguments.peer_steps)
    else:
        runs[PEER] = train_padded(parts, config, arguments.minutes)
    print(f"{PEER}: {runs[PEER]}", flush=True)
    write_json(arguments.out / "report.json", report(runs, data))
    draw(runs, arguments.out / "training_speed.png")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_speed", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="a file of sequences; generated walks by default")
    parser.add_argument("--users", type=int, default=5000, help="of the generated walks")
    parser.add_argument("--items", type=int, default=2000, help="of the generated walks")
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs)
    parser.add_argument("--peer-steps", type=int, default=0, help="only time the peer, over so many steps")
    parser.add_argument("--minutes", type=float, default=30, help="after which the peer begins no epoch")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
