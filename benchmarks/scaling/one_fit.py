"""One fit in a process of its own: ``python -m benchmarks.scaling.one_fit DATA CONFIG SHARE`` prints what it found.

DATA is a ``.npz`` of sequences, CONFIG the fields of ``NeuralConfig`` as JSON, SHARE the share of the users that
are learned from. The peak of memory is that of the process, TensorFlow included.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sequences.splits import Questions, Split, split
from pipelines.evaluation.full_ranking import CELLS, Seen, target_ranks
from pipelines.retrieval.interactions import Interactions
from pipelines.retrieval.retriever import Retriever, Watch

ASKED_CELLS = 60_000_000
"""Users times items that an epoch is judged on at most."""


def main() -> None:
    """Fit once and print the figures as JSON."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    interactions = load(Path(sys.argv[1]))
    print(json.dumps(fit(interactions, json.loads(sys.argv[2]), float(sys.argv[3]))))


def save(file: Path, interactions: Interactions) -> None:
    """Write what :func:`load` reads."""
    np.savez(
        file,
        offsets=interactions.offsets,
        item=interactions.item,
        moment=interactions.moment,
        items=interactions.items,
    )


def load(file: Path) -> Interactions:
    """Read what :func:`save` wrote."""
    with np.load(file) as found:
        return Interactions(found["offsets"], found["item"], found["moment"], int(found["items"]))


def fit(interactions: Interactions, config: dict[str, Any], share: float) -> dict[str, Any]:
    """Train until the loss on half of the validation gets no better, then judge on the other half."""
    from pipelines.retrieval.neural.config import NeuralConfig
    from pipelines.retrieval.neural.models import Attention

    parts = split(interactions).asking(ASKED_CELLS)
    choosing, judging = halves(parts)
    train = some_users(parts.all_but_last_two, share)
    retriever = Attention(NeuralConfig(**config))
    watch = Watch(lambda fitted: -held_out_loss(fitted, choosing), lambda: False)
    began = time.perf_counter()
    retriever.fit(train, seed=1, watch=watch)
    seconds = time.perf_counter() - began
    ranks = target_ranks(retriever, judging.histories, judging.target, Seen.FILTERED)
    table, *encoder = [int(np.prod(weight.shape)) for weight in retriever._network.weights]
    return {
        "users": len(train),
        "events": len(train.item),
        "table_parameters": table,
        "encoder_parameters": sum(encoder),
        "loss": held_out_loss(retriever, judging),
        "ndcg_at_10": float(np.where(ranks <= 10, 1 / np.log2(ranks + 1.0), 0.0).mean()),
        "epochs": retriever.config.epochs,
        "seconds": seconds,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def halves(parts: Split) -> tuple[Questions, Questions]:
    """Every other user of the validation chooses the epoch; the others are judged on."""
    users = np.arange(len(parts.validation))
    return parts.validation.take(users[::2]), parts.validation.take(users[1::2])


def some_users(train: Interactions, share: float) -> Interactions:
    """A drawn share of the users; a smaller share is a part of a larger one."""
    drawn = np.random.default_rng(1).permutation(len(train))[: max(1, round(share * len(train)))]
    return train.take(np.sort(drawn))


def held_out_loss(retriever: Retriever, asked: Questions) -> float:
    """Mean cross-entropy in nats of the next item under a softmax over the whole catalog, seen items included.

    Scores of one user must be logits. An item that the fit never saw has one less than the least of the others.
    """
    return float(np.concatenate(list(_losses(retriever, asked))).mean())


def _losses(retriever: Retriever, asked: Questions) -> Iterator[NDArray[np.float64]]:
    step = max(1, CELLS // asked.histories.items)
    for begin in range(0, len(asked), step):
        some = asked.take(np.arange(begin, min(begin + step, len(asked))))
        scores = retriever.score(some.histories)
        top = scores.max(axis=1)
        total = np.exp(scores - top[:, None]).sum(axis=1, dtype=np.float64)
        yield top + np.log(total) - scores[np.arange(len(some)), some.target]


if __name__ == "__main__":
    main()
