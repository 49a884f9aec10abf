"""What the catalog says of each item, as far as a request may choose by it. NumPy only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError
from pipelines.ranking.bundle import REMEDY, read_arrays, write_arrays

ATTRIBUTES = ("department", "category", "type", "brand")
UNKNOWN = 0
"""Code of items of which it is not known; no choice finds them."""


@dataclass(frozen=True)
class Attributes:
    """Codes of each attribute.

    Attributes:
        codes: By attribute, of each item of the catalog, shape ``(items,)``.
        names: By attribute, the code of each name.
    """

    codes: Mapping[str, NDArray[np.int32]]
    names: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, values: Mapping[str, Sequence[str | None]]) -> "Attributes":
        """Number the names of each attribute in their order."""
        names = {
            name: {value: code for code, value in enumerate(sorted({one for one in column if one}), start=1)}
            for name, column in values.items()
        }
        codes = {
            name: np.array([names[name].get(value or "", UNKNOWN) for value in column], np.int32)
            for name, column in values.items()
        }
        return cls(codes, names)

    @classmethod
    def load(cls, path: Path, items: int) -> "Attributes":
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing or corrupt, or is of another number of items.
        """
        wanted = [f"{name}_{part}" for name in ATTRIBUTES for part in ("codes", "names")]
        arrays = dict(zip(wanted, read_arrays(path, *wanted), strict=True))
        codes = {name: arrays[f"{name}_codes"] for name in ATTRIBUTES}
        if any(len(column) != items for column in codes.values()):
            raise BundleError(f"{path}: its length differs from the catalog's; {REMEDY}")
        names = {
            name: {str(value): code for code, value in enumerate(arrays[f"{name}_names"], start=1)}
            for name in ATTRIBUTES
        }
        return cls(codes, names)

    def save(self, path: Path) -> None:
        """Write as npz."""
        arrays = {f"{name}_codes": column for name, column in self.codes.items()}
        arrays |= {f"{name}_names": np.array([*found], np.str_) for name, found in self.names.items()}
        write_arrays(path, arrays)

    def where(self, wanted: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
        """Items that have one of the names of every attribute that is asked for, shape ``(items,)``."""
        found = np.ones(len(next(iter(self.codes.values()))), bool)
        for name, values in wanted.items():
            codes = [self.names[name][value] for value in values if value in self.names[name]]
            found &= np.isin(self.codes[name], codes)
        return found
