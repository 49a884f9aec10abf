"""Trains a network epoch by epoch: watched, averaged, interrupted and resumed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.retrieval.neural.batches import Epochs
from pipelines.retrieval.neural.checkpoint import (
    CheckpointError,
    Progress,
    read_checkpoint,
    write_checkpoint,
)
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.network import Network
from pipelines.retrieval.neural.replicas import LOST, DistributionError, Replicas


class TrainingError(Exception):
    """Training cannot go on; the message says where and what to change."""


@contextmanager
def _lost_worker_told() -> Iterator[None]:
    try:
        yield
    except LOST as error:
        raise TrainingError(
            "another worker is gone: start all of them again; with a checkpoint they go on from its last epoch"
        ) from error


@dataclass
class Training:
    """One fit.

    Attributes:
        network: Learns; after :meth:`run` it holds the weights that were kept.
        epochs: What it learns from.
        config: How long and how.
        checkpoint: File to resume from and to replace after each epoch; every worker reads it, the chief writes.
        fingerprint: Of everything that a resumed fit must have in common with the interrupted one, and a worker
            with the others.
        model: What the checkpoint says of the model.
        replicas: Who takes part; the chief's judgement and clock count for all workers.
    """

    network: Network
    epochs: Epochs
    config: NeuralConfig
    checkpoint: Path | None = None
    fingerprint: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    replicas: Replicas = field(default_factory=Replicas)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        """Begin, or take up what the checkpoint says.

        Raises:
            CheckpointError: It is of another fit, or not all workers see it.
            DistributionError: The workers do not fit the same.
            TrainingError: Another worker is gone.
        """
        now = self.network.copy()
        self.progress = Progress([], now, now)
        with _lost_worker_told():
            self._join()

    def _join(self) -> None:
        told = self.replicas.gather(float(int(self.fingerprint[:12] or "0", 16)))
        if np.ptp(told):
            raise DistributionError(
                f"worker {np.flatnonzero(told != told[0])[0]} was given another config, seed or data than worker "
                "0: start the same script with the same data on every worker"
            )
        if self.checkpoint and self.checkpoint.exists():
            self.progress = read_checkpoint(self.checkpoint, self.network, self.fingerprint)
        done = self.replicas.gather(len(self.progress.losses))
        if np.ptp(done):
            raise CheckpointError(
                f"{self.checkpoint}: the workers read {done.astype(int).tolist()} finished epochs from it; put it "
                "into a folder that all of them share"
            )

    def run(self, judge: Callable[[], float] | None, is_over: Callable[[], bool]) -> int:
        """Train to the end.

        Args:
            judge: Quality of the network as it is now.
            is_over: Asked after each epoch.

        Returns:
            The epoch whose weights were kept.

        Raises:
            TrainingError: A loss is not a number, memory does not suffice, or another worker is gone. The network
                holds the last good weights then.
        """
        try:
            with _lost_worker_told():
                while not self._is_done() and not (self.progress.losses and self.replicas.agree(is_over())):
                    self._run_epoch(judge)
                    self._keep()
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise TrainingError(
                f"epoch {len(self.progress.losses) + 1} does not fit into memory: lower batch, negatives or "
                "embedding_size, or raise accumulate"
            ) from error
        finally:
            self.network.assign(self.progress.kept)
        return self.progress.best_epoch

    def _keep(self) -> None:
        if self.checkpoint and self.replicas.is_chief:
            write_checkpoint(self.checkpoint, self.network, self.progress, self.fingerprint, self.model)

    def _is_done(self) -> bool:
        done = len(self.progress.losses)
        return done >= self.config.epochs or done - self.progress.best_epoch >= self.config.patience

    def _run_epoch(self, judge: Callable[[], float] | None) -> None:
        progress, epoch = self.progress, len(self.progress.losses)
        progress.losses.append(self._train_epoch(epoch))
        trained = self.network.copy()
        if not all(np.isfinite(weight).all() for weight in trained):
            raise TrainingError(f"epoch {epoch + 1}, last batch: weights are not finite; {self._remedy()}")
        share = min(self.config.averaging, epoch / (epoch + 1))
        progress.mean = [
            share * old + (1 - share) * new for old, new in zip(progress.mean, trained, strict=True)
        ]
        judged = np.inf
        if judge:
            self.network.assign(progress.mean)
            judged = self.replicas.agree(judge())
            self.network.assign(trained)
        if judged > progress.best or not judge:
            progress.best, progress.best_epoch, progress.kept = judged, epoch + 1, progress.mean

    def _train_epoch(self, epoch: int) -> float:
        losses: list[float] = []
        for number, step in enumerate(self.epochs.steps(epoch), start=1):
            losses.append(self.network.train(step))
            if not np.isfinite(losses[-1]):
                raise TrainingError(
                    f"epoch {epoch + 1}, batch {number}: the loss is {losses[-1]}; {self._remedy()}"
                )
        return float(np.mean(losses)) if losses else 0.0

    def _remedy(self) -> str:
        return f"the weights of epoch {self.progress.best_epoch} are kept. Lower learning_rate"
