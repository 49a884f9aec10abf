"""A fit can be interrupted, resumed, split into parts and stopped by what is not a number."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.neural.checkpoint import CheckpointError
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.models import RETRIEVERS
from pipelines.retrieval.neural.network import Network
from pipelines.retrieval.neural.training import TrainingError
from pipelines.retrieval.retriever import Watch

TRAIN = Interactions.of([[(user + step) % 9 for step in range(2 + user % 4)] for user in range(40)], 9)
ASKED = Interactions.of([[1, 2], [5]], 9)
CONFIG = NeuralConfig(
    embedding_size=8,
    length=4,
    dropout=0.3,
    negatives=16,
    batch=32,
    learning_rate=0.02,
    epochs=4,
    averaging=0.5,
)


class InterruptionError(Exception):
    pass


def unfitted(checkpoint: Path | None = None, **changes: Any) -> Any:
    retriever = RETRIEVERS["attention"](replace(CONFIG, **changes))
    retriever.checkpoint = checkpoint
    return retriever


def scores_of(retriever: Any, seed: int = 3) -> Any:
    retriever.fit(TRAIN, seed=seed)
    return retriever.score(ASKED)


def test_fit__interrupted_and_resumed_equals_one_that_was_not(tmp_path: Path) -> None:
    judged = iter([0.2, 0.3])

    def judge(_: Any) -> float:
        try:
            return next(judged)
        except StopIteration:
            raise InterruptionError from None

    with pytest.raises(InterruptionError):
        unfitted(tmp_path / "kept.npz").fit(TRAIN, seed=3, watch=Watch(judge, lambda: False))
    resumed = unfitted(tmp_path / "kept.npz")
    whole = unfitted()
    np.testing.assert_array_equal(scores_of(resumed), scores_of(whole))
    assert not np.array_equal(scores_of(unfitted()), scores_of(unfitted(), seed=4))


def test_fit__refuses_the_checkpoint_of_another_fit(tmp_path: Path) -> None:
    scores_of(unfitted(tmp_path / "kept.npz", epochs=1))
    with pytest.raises(CheckpointError, match=r"kept\.npz: written by a fit of another"):
        scores_of(unfitted(tmp_path / "kept.npz", dropout=0.1))
    with pytest.raises(CheckpointError):
        scores_of(unfitted(tmp_path / "kept.npz"), seed=4)
    (tmp_path / "kept.npz").write_bytes(b"PK of something else")
    with pytest.raises(CheckpointError, match=r"kept\.npz: no checkpoint can be read"):
        scores_of(unfitted(tmp_path / "kept.npz"))


def test_fit__in_parts_learns_the_same() -> None:
    whole, parts = (scores_of(unfitted(dropout=0.0, embedding_dropout=0.0, accumulate=n)) for n in (1, 3))
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-4)


def test_fit__in_bfloat16_learns_about_the_same() -> None:
    exact, rough = (
        scores_of(unfitted(dropout=0.0, embedding_dropout=0.0, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(rough, exact, atol=0.1 * np.ptp(exact))
    assert not np.array_equal(rough, exact)


def test_fit__keeps_the_last_good_weights_when_the_loss_is_no_number() -> None:
    retriever, good = unfitted(), []

    def judge(now: Any) -> float:
        good.append(now.score(ASKED))
        moments = now._network.rows_adam.moments
        moments.assign(np.full(moments.shape, np.nan))
        return 1.0

    with pytest.raises(
        TrainingError, match=r"epoch 2, batch 2: the loss is nan; .* epoch 1 are kept\. Lower"
    ):
        retriever.fit(TRAIN, seed=3, watch=Watch(judge, lambda: False))
    np.testing.assert_array_equal(retriever.score(ASKED), good[0])


def test_fit__says_what_to_lower_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any) -> float:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Network, "train", train)
    with pytest.raises(TrainingError, match="epoch 1 does not fit into memory: lower batch, negatives"):
        scores_of(unfitted())


def test_fit__without_anything_to_learn_ranks_by_frequency() -> None:
    retriever = unfitted()
    retriever.fit(Interactions.of([[2], [], [2], [4]], 6), seed=1)
    assert np.argsort(-retriever.score(Interactions.of([[]], 6))[0], kind="stable")[:2].tolist() == [2, 4]


def test_config__of_a_size_keeps_the_other_choices() -> None:
    large = replace(CONFIG, dropout=0.9).sized("large")
    assert (large.embedding_size, large.blocks, large.dropout) == (256, 3, 0.9)
