"""How far a fit has come, and how that lies on disk."""

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import write_arrays
from pipelines.retrieval.neural.config import NeuralConfig
from pipelines.retrieval.neural.network import Network

Weights = list[NDArray[np.float32]]

SIZES = ("embedding_size", "blocks", "heads", "length")
"""Fields of the config that shapes of weights depend on."""


class CheckpointError(Exception):
    """A checkpoint belongs to another fit; the message names the file and what to do."""


def describe(name: str, config: NeuralConfig) -> dict[str, Any]:
    """What a checkpoint says of its model: its name and config."""
    return {"name": name, **asdict(config)}


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


def write_checkpoint(
    path: Path, network: Network, progress: Progress, fingerprint: str, model: dict[str, Any]
) -> None:
    """Keep all that a resumed fit needs, whole or not at all, and what the model is, for a later fit's start."""
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
            "model": np.array(json.dumps(model)),
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
    kept = _read(path, "remove it to begin anew")
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


def read_kept(path: Path, name: str, config: NeuralConfig, like: Weights, items: int) -> Weights:
    """The weights that another fit of the same model ended with, or would have.

    Args:
        path: Its checkpoint.
        name: Of the retriever.
        config: Sizes have to be the same, other choices need not.
        like: Weights of the shapes that are needed, the table first; of that only the width.
        items: How many items it has to have at least.

    Raises:
        CheckpointError: It is no checkpoint, or that of another model, size or catalog.
    """
    remedy = "give the checkpoint of such a fit, or begin without a start"
    kept = _read(path, remedy)
    if "model" not in kept:
        raise CheckpointError(f"{path}: does not say of which model it is; {remedy}")
    wanted, found = describe(name, config), json.loads(str(kept["model"]))
    for field in ("name", *SIZES):
        if found.get(field) != wanted[field]:
            raise CheckpointError(
                f"{path}: {field} expected {wanted[field]}, found {found.get(field)}; {remedy}"
            )
    weights = [kept[f"kept_{place}"] for place in range(len(like)) if f"kept_{place}" in kept]
    if _shapes(weights) != _shapes(like):
        raise CheckpointError(f"{path}: weights of other shapes, written by another version; {remedy}")
    if len(weights[0]) <= items:
        raise CheckpointError(
            f"{path}: expected at least {items} items, found {len(weights[0]) - 1}; give the places in its own catalog"
        )
    return weights


def _shapes(weights: Weights) -> list[tuple[int, ...]]:
    """All but how many rows the table has."""
    return [weight.shape[1:] if place == 0 else weight.shape for place, weight in enumerate(weights)]


def _read(path: Path, remedy: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: no checkpoint can be read from it; {remedy}") from error
