"""Trains in a process of its own: ``train_as_worker.py OUT``, as the worker of ``TF_CONFIG`` or on two devices.

A worker is first given what another is not, then fits to the end, then fits again and is left by worker 1.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.models import RETRIEVERS
from pipelines.retrieval.neural.replicas import DistributionError, find_replicas
from pipelines.retrieval.neural.training import TrainingError
from pipelines.retrieval.retriever import Watch

DRAW = np.random.default_rng(5)
TRAIN = Interactions.of(
    [((n + DRAW.integers(1, 3, 2 + n % 6).cumsum()) % 30).tolist() for n in range(200)], 30
)
ASKED = Interactions.of([[1, 2], [5], [9, 11, 12]], 30)
CONFIG = NeuralConfig(
    embedding_size=16,
    length=6,
    dropout=0.3,
    item_dropout=0.1,
    negatives=32,
    batch=128,
    learning_rate=0.01,
    epochs=3,
    averaging=0.5,
)
JUDGED = (0.1, 0.3, 0.2)


def unfitted(checkpoint: Path, accumulate: int) -> Any:
    retriever = RETRIEVERS["attention"](replace(CONFIG, accumulate=accumulate))
    retriever.checkpoint = checkpoint
    return retriever


def fit(checkpoint: Path, accumulate: int = 1, worker: int = 0, done: int = 0) -> Any:
    """To the end, after ``done`` epochs. Of the workers, the chief alone judges well and has the right clock."""
    told = iter(JUDGED[done:] if worker == 0 else JUDGED[::-1])
    retriever = unfitted(checkpoint, accumulate)
    retriever.fit(TRAIN, seed=3, watch=Watch(lambda _: next(told), lambda: worker != 0))
    return retriever


def scores_of_one_row() -> Any:
    """A step has one part only, whatever was asked for."""
    retriever = RETRIEVERS["attention"](CONFIG)
    retriever.fit(TRAIN.take(np.arange(1)), seed=3)
    return retriever.score(ASKED)


def fit_until_left(checkpoint: Path, worker: int) -> None:
    judged: list[int] = []

    def judge(_: Any) -> float:
        judged.append(1)
        if worker == 1 and len(judged) == 2:
            os._exit(9)
        return JUDGED[len(judged) - 1]

    try:
        unfitted(checkpoint, 1).fit(TRAIN, seed=3, watch=Watch(judge, lambda: False))
    except TrainingError as error:
        print(error, flush=True)


if __name__ == "__main__":
    out, worker = Path(sys.argv[1]), 0
    if "TF_CONFIG" in os.environ:
        worker = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    else:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    print(f"{find_replicas().count} replicas, of them {find_replicas().own}", flush=True)
    if "TF_CONFIG" in os.environ:
        try:
            RETRIEVERS["attention"](CONFIG).fit(TRAIN, seed=worker)
        except DistributionError as error:
            print(error, flush=True)
    fitted = fit(out / "whole.npz", accumulate=1 if "TF_CONFIG" in os.environ else 2, worker=worker)
    np.savez(out / f"worker_{worker}.npz", scores=fitted.score(ASKED), epochs=fitted.config.epochs)
    if "TF_CONFIG" in os.environ:
        fit_until_left(out / "left.npz", worker)
    else:
        np.save(out / "of_one_row.npy", scores_of_one_row())
