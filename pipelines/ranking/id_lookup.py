"""Positions of many ids at once. NumPy only.

A dictionary or a search on text touches memory far apart for every id, which costs up to a microsecond each in a
catalog of sixty thousand; numbers lie close together, and those of one share, a few at most, lie side by side.
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
            order = np.argsort(hashes, kind="stable")
            hashes = hashes[order]
            if (hashes[1:] != hashes[:-1]).all():
                break
        else:
            raise ValueError("expected distinct ids of items, found two that are equal or share every hash")
        # One more, which nothing is above, so that there is always one to look at.
        self._hashes = np.append(hashes, np.uint64(np.iinfo(np.uint64).max))
        self._order = np.append(order, 0)
        bits = (2 * len(ids)).bit_length()
        self._shift = np.uint64(64 - bits)
        shares = np.bincount(self._share_of(hashes), minlength=1 << bits)
        self._first, self._steps = np.cumsum(shares) - shares, int(shares.max()) - 1

    def _share_of(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The first bits of hashes: which of the equal shares of all numbers each falls into."""
        return (hashes >> self._shift).astype(np.int64)

    def find(self, wanted: NDArray[np.str_]) -> NDArray[np.int64]:
        """Position of each id, -1 for a strange one; shape of ``wanted``."""
        if not len(self._ids) or not len(wanted):
            return np.full(len(wanted), -1, np.int64)
        hashes = _hashes(wanted, self._multiplier)
        row = self._first[self._share_of(hashes)]
        for _ in range(self._steps):
            row += self._hashes[row] < hashes
        place = self._order[row]
        return np.where(self._ids[place] == wanted, place, -1)


def _hashes(ids: NDArray[np.str_], multiplier: int) -> NDArray[np.uint64]:
    """A polynomial of each id's characters, modulo 2 to the 64; that of a text does not depend on the array's width."""
    width = ids.dtype.itemsize // 4
    characters = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), width)
    powers = np.multiply.accumulate(np.full(width, multiplier, np.uint64))
    return np.asarray(characters @ powers, np.uint64)
