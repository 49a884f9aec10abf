"""An earlier fit of the same encoder to begin with, whose catalog was another one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.ranking.bundle import file_sha256
from pipelines.retrieval.neural.checkpoint import Weights, read_kept
from pipelines.retrieval.neural.config import NeuralConfig


@dataclass(frozen=True)
class Start:
    """What a fit begins with in place of random weights; the optimiser begins anew.

    An item that the earlier fit did not know draws its embedding as ever: from one common start, new items could
    not be told apart.

    Attributes:
        path: Checkpoint of the earlier fit.
        place: Place of each item in the earlier catalog, -1 where it was not in it, shape ``(items,)``.
    """

    path: Path
    place: NDArray[np.int64]

    @classmethod
    def of(cls, path: Path, earlier_ids: NDArray[np.str_], ids: NDArray[np.str_]) -> "Start":
        """Find the places by the ids of both catalogs, in the order of their items."""
        place = {str(item): at for at, item in enumerate(earlier_ids)}
        return cls(path, np.array([place.get(str(item), -1) for item in ids], np.int64))

    def weights(self, name: str, config: NeuralConfig, drawn: Weights) -> Weights:
        """The weights to begin with.

        Args:
            name: Of the retriever.
            config: Its choices.
            drawn: Its weights as drawn, the table first.

        Raises:
            CheckpointError: The file is no checkpoint, or that of another model, size or catalog.
        """
        table, *encoder = read_kept(self.path, name, config, drawn, int(self.place.max(initial=-1)) + 1)
        known = np.flatnonzero(self.place >= 0)
        grown = drawn[0].copy()
        grown[0] = table[0]
        grown[known + 1] = table[self.place[known] + 1]
        return [grown, *encoder]

    def fingerprint(self) -> str:
        """Of what is begun with.

        Raises:
            BundleError: The file cannot be read.
        """
        return f"{file_sha256(self.path)} {self.place.tolist()}"
