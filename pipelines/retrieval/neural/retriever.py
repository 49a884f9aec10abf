"""The retriever around every encoder: fits it on interactions and scores the catalog with its states."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.batches import Epochs
from pipelines.retrieval.neural.checkpoint import describe
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.encoder import Encoder
from pipelines.retrieval.neural.network import Network
from pipelines.retrieval.neural.replicas import find_replicas
from pipelines.retrieval.neural.start import Start
from pipelines.retrieval.neural.training import Training
from pipelines.retrieval.retriever import Scores, Watch

AT_ONCE = 512


class NeuralRetriever:
    """Every event predicts the next; an item's score is the product of its embedding and the last state.

    A history without any known item is answered by how often items occur. Items that the fit never saw stand
    behind all others.

    Attributes:
        checkpoint: File to resume a fit from and to replace after each epoch; without one nothing is kept.
        start: An earlier fit to begin with; a checkpoint to resume from goes before it.
    """

    name: ClassVar[str]
    encoder: ClassVar[type[Encoder]]
    choices: ClassVar[Mapping[str, tuple[Any, ...]]]
    checkpoint: Path | None = None
    start: Start | None = None

    def __init__(self, config: NeuralConfig) -> None:
        """Fit later, with these choices."""
        self.config = config

    def fit(self, train: Interactions, *, seed: int, watch: Watch | None = None) -> None:
        """Train from scratch, from ``start``, or from where the checkpoint was left; on all devices and workers.

        Args:
            train: Rows of at least two moments teach.
            seed: Of the start, the order and everything drawn.
            watch: Judges each epoch; the best one's weights are kept and its number goes into ``config``.

        Raises:
            TrainingError: A loss is not a number, memory does not suffice, or another worker is gone; the last good
                weights are kept.
            CheckpointError: The checkpoint was written by another fit, or not all workers see it; or ``start`` is of
                another model or size.
            DistributionError: The workers cannot train together.
        """
        replicas = find_replicas()
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        self._count = np.bincount(train.item, minlength=train.items)
        self._network = Network(self.config, train.items, self.encoder(self.config), replicas)
        if self.start:
            self._network.assign(self.start.weights(self.name, self.config, self._network.copy()))
        parted = replace(self.config, accumulate=self.config.accumulate * replicas.count)
        training = Training(
            self._network,
            Epochs(train, parted, seed),
            self.config,
            self.checkpoint,
            _fingerprint(self.name, parted, seed, train, self.start),
            describe(self.name, self.config),
            replicas,
        )
        if not watch:
            training.run(None, lambda: False)
            return
        judge = watch.judge
        self.config = replace(self.config, epochs=training.run(lambda: judge(self), watch.is_over))

    def score(self, histories: Interactions) -> Scores:
        """Scores of all items, shape ``(users, items)``; the row of an item weighs only what was seen in training."""
        known = _only(histories, self._count > 0).latest(self.config.length)
        scores = np.empty((len(histories), len(self._count)), np.float32)
        scores[:] = np.log1p(self._count)
        items = self._network.items().T
        told = np.flatnonzero(known.lengths)
        told = told[np.argsort(known.lengths[told], kind="stable")]
        for begin in range(0, len(told), AT_ONCE):
            users = told[begin : begin + AT_ONCE]
            scores[users] = self._network.states(*_padded(known.take(users))) @ items
        scores[:, self._count == 0] = scores.min(axis=1, initial=0.0, keepdims=True) - 1
        return scores


def _only(histories: Interactions, items: NDArray[np.bool_]) -> Interactions:
    kept = items[histories.item]
    lengths = np.bincount(histories.user[kept], minlength=len(histories))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Interactions(offsets, histories.item[kept], histories.moment[kept], histories.items)


def _padded(rows: Interactions) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    there = np.arange(rows.lengths.max()) < rows.lengths[:, None]
    event = np.zeros(there.shape, np.int32)
    event[there] = rows.item + 1
    return event, (rows.lengths - 1).astype(np.int32)


def _fingerprint(name: str, config: NeuralConfig, seed: int, train: Interactions, start: Start | None) -> str:
    """Of all that a fit depends on but how long it takes."""
    choices = asdict(replace(config, epochs=0, patience=0))
    told = hashlib.sha256(repr((name, choices, seed, train.items)).encode())
    for column in (train.offsets, train.item, train.moment):
        told.update(column.tobytes())
    if start:
        told.update(start.fingerprint().encode())
    return told.hexdigest()
