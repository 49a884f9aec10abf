"""The champion's sequence model as the start of a fit, on a catalog that has changed since. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError
from pipelines.ranking.bundle import read_archive, read_json
from pipelines.retrieval.fitting.sequence_data import Vocabulary

Arrays = Mapping[str, NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]

ROWS_OF_ITEMS = ("item_embedding", "item_bias")
ROWS_OF_TYPES = ("type_embedding",)


class WarmStartError(Exception):
    """An earlier model cannot be begun with; the message says why."""


@dataclass(frozen=True)
class WarmStart:
    """An earlier fit, seen from today's catalog.

    Attributes:
        arrays: As ``fit_sequence`` gave them.
        place: Place of each item in the earlier catalog, -1 where it was not in it, shape ``(items,)``.
    """

    arrays: Arrays
    place: NDArray[np.int64]

    def scaling(self, shapes: Shapes) -> dict[str, NDArray[Any]]:
        """Shift and scale of the features: the earlier ones, as the weights were learned behind them.

        Args:
            shapes: Of each, as they are needed.

        Raises:
            WarmStartError: The earlier fit has other ones.
        """
        return {name: self._checked(name, shape) for name, shape in shapes.items()}

    def weights(self, vocabulary: Vocabulary, shapes: Shapes) -> dict[str, NDArray[Any]]:
        """The weights to begin with.

        Items and types that the earlier fit knew keep their rows. An item without a row of its own begins with the
        shared row 0, by which it was scored before; a new type with the mean of all.

        Args:
            vocabulary: Today's rows and types.
            shapes: Of each weight, as they are needed.

        Raises:
            WarmStartError: The earlier fit has other weights, or of other sizes.
        """
        weights = {
            name: self._checked(name, shape, grows=name in (*ROWS_OF_ITEMS, *ROWS_OF_TYPES))
            for name, shape in shapes.items()
        }
        rows, types = self._earlier_rows(vocabulary), self._earlier_types(vocabulary)
        weights |= {name: weights[name][rows] for name in ROWS_OF_ITEMS}
        for name in ROWS_OF_TYPES:
            mean = weights[name].mean(axis=0)
            weights[name] = np.where(types[:, None] >= 0, weights[name][types], mean)
        return weights

    def _checked(self, name: str, shape: tuple[int, ...], grows: bool = False) -> NDArray[Any]:
        found = self.arrays.get(name)
        if found is None:
            raise WarmStartError(f"it has no {name}; it was trained by other code")
        begin = 1 if grows else 0
        if found.ndim != len(shape) or found.shape[begin:] != shape[begin:]:
            raise WarmStartError(
                f"its {name} has the shape {found.shape}, expected {shape}: another model size"
            )
        return found

    def _earlier_rows(self, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """Earlier row of each row of items, shape ``(rows,)``."""
        rows = np.zeros(vocabulary.rows, np.int64)
        known = (self.place >= 0) & (vocabulary.row > 0)
        rows[vocabulary.row[known]] = self.arrays["item_row"][self.place[known]]
        return rows

    def _earlier_types(self, vocabulary: Vocabulary) -> NDArray[np.int64]:
        """Earlier code of each type, -1 for a new one, shape ``(types,)``.

        A bundle has no names of types: it is the code that most of a type's known items had. 0 is the unknown type.
        """
        known, codes = self.place >= 0, len(self.arrays["type_embedding"])
        earlier = self.arrays["item_type"][self.place[known]].astype(np.int64)
        pairs, votes = np.unique(vocabulary.item_type[known] * codes + earlier, return_counts=True)
        pairs = pairs[np.lexsort((-pairs, votes))]
        types = np.full(vocabulary.types, -1, np.int64)
        types[0] = 0
        types[pairs // codes] = (
            pairs % codes
        )  # of a type's several codes the last one stays: the most frequent
        return types


def read_warm_start(folder: Path, item_ids: NDArray[np.str_], before: int) -> WarmStart:
    """The champion as ``shoploop fetch`` left it for training.

    Args:
        folder: With ``sequence.npz``, ``items.json`` and ``start.json``.
        item_ids: Today's catalog.
        before: First shop week that is foretold by what is trained: the champion must not have seen it.

    Raises:
        WarmStartError: There is none, it has seen too much, or it cannot be read.
    """
    if not (folder / "start.json").is_file():
        raise WarmStartError("no champion was fetched; `shoploop fetch` brings the one that is live")
    try:
        start, arrays = read_json(folder / "start.json"), read_archive(folder / "sequence.npz")
        ids = read_json(folder / "items.json")["ids"]
        through = int(start["fitted_through_week"])
        for name, table in (("item_row", ROWS_OF_ITEMS[0]), ("item_type", ROWS_OF_TYPES[0])):
            if len(arrays[name]) != len(ids) or arrays[name].max() >= len(arrays[table]):
                raise WarmStartError(
                    f"its {name} does not fit its {len(ids)} items and {len(arrays[table])} rows"
                )
    except (BundleError, KeyError, TypeError, ValueError) as error:
        raise WarmStartError(f"it cannot be read ({error!r})") from error
    if through >= before:
        raise WarmStartError(f"it has seen week {through}, and week {before} is to be foretold")
    places = {item: place for place, item in enumerate(ids)}
    return WarmStart(arrays, np.array([places.get(str(item), -1) for item in item_ids], np.int64))
