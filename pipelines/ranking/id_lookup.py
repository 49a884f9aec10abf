"""Positions of many ids at once. NumPy only.

A dictionary or a search on text touches memory far apart for every id, which costs a microsecond each in a catalog of
sixty thousand; numbers lie close together.
"""

import numpy as np
from numpy.typing import NDArray

MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
"""Odd, of 64 bits, without a pattern; the first under which no two ids of a catalog share a hash is taken."""


class IdLookup:
    """Where ids stand in a catalog.

    Args:
        ids: Distinct, shape ``(items,)``.

    Raises:
        ValueError: Two ids are equal, or share a hash under every multiplier.
    """

    def __init__(self, ids: NDArray[np.str_]) -> None:
        self._ids = ids
        for self._multiplier in MULTIPLIERS:
            hashes = _hashes(ids, self._multiplier)
            self._order = np.argsort(hashes, kind="stable")
            self._hashes = hashes[self._order]
            if (self._hashes[1:] != self._hashes[:-1]).all():
                return
        raise ValueError("expected distinct ids of items, found two that are equal or share every hash")

    def find(self, wanted: NDArray[np.str_]) -> NDArray[np.int64]:
        """Position of each id, -1 for a strange one; shape of ``wanted``."""
        if not len(self._ids) or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        row = np.searchsorted(self._hashes, _hashes(wanted, self._multiplier))
        place = self._order[np.minimum(row, len(self._order) - 1)]
        return np.where(self._ids[place] == wanted, place, -1)


def _hashes(ids: NDArray[np.str_], multiplier: int) -> NDArray[np.uint64]:
    """A polynomial of each id's characters, modulo 2 to the 64; that of a text does not depend on the array's width."""
    width = ids.dtype.itemsize // 4
    characters = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), width)
    powers = np.multiply.accumulate(np.full(width, multiplier, np.uint64))
    return np.asarray(characters @ powers, np.uint64)
