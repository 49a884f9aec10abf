"""The data of the training benchmarks: a file of sequences, or walks that are generated."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sequences.reading import read_sequences
from pipelines.retrieval.interactions import Interactions


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


def read_or_generate(path: Path | None, users: int, items: int) -> tuple[Interactions, dict[str, Any]]:
    """The sequences, and what a report says of them.

    Raises:
        SequencesError: The file cannot be used.
    """
    if path:
        sequences = read_sequences(path)
        return sequences.interactions, sequences.facts()
    walks = generate(users, items)
    return walks, {"path": "generated walks", "users": users, "items": items, "events": len(walks.item)}
