"""How far a fit has come, and how that lies on disk."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import write_arrays
from pipelines.retrieval.neural.network import Network

Weights = list[NDArray[np.float32]]


class CheckpointError(Exception):
    """A checkpoint belongs to another fit; the message names the file and what to do."""


@dataclass
class Progress:
    """How far a fit has come.

    Attributes:
        losses: Mean loss of each finished epoch.
        mean: Running average of the weights after the last epoch.
        kept: The weights that the fit would end with now.
        best: Best judgement so far.
        best_epoch: Its epoch, the first being 1; without a judge the last one.
    """

    losses: list[float]
    mean: Weights
    kept: Weights
    best: float = -np.inf
    best_epoch: int = 0


def write_checkpoint(path: Path, network: Network, progress: Progress, fingerprint: str) -> None:
    """Keep all that a resumed fit needs, whole or not at all."""
    groups = {
        "state": [value.numpy() for value in network.state],
        "mean": progress.mean,
        "kept": progress.kept,
    }
    arrays = {
        f"{name}_{place}": value for name, values in groups.items() for place, value in enumerate(values)
    }
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(
        partial,
        arrays
        | {
            "fingerprint": np.array(fingerprint),
            "losses": np.array(progress.losses),
            "best": np.array([progress.best, progress.best_epoch]),
        },
    )
    partial.replace(path)


def read_checkpoint(path: Path, network: Network, fingerprint: str) -> Progress:
    """Put a network back to where it was.

    Raises:
        CheckpointError: It is no checkpoint, or that of a fit with other data, choices or seed, or of another model.
    """
    try:
        with np.load(path) as file:
            kept = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path}: no checkpoint can be read from it; remove it to begin anew"
        ) from error
    if str(kept.get("fingerprint")) != fingerprint:
        raise CheckpointError(
            f"{path}: written by a fit of another model, config, seed or data; remove it to begin anew"
        )
    for place, variable in enumerate(network.state):
        variable.assign(kept[f"state_{place}"])
    count = range(len(network.weights))
    return Progress(
        [float(loss) for loss in kept["losses"]],
        [kept[f"mean_{place}"] for place in count],
        [kept[f"kept_{place}"] for place in count],
        float(kept["best"][0]),
        int(kept["best"][1]),
    )
