"""How far a growing table was read, so that no row is lost and none is given twice.

Rows are read in the order of the watermark, and a reading goes on with ``>=`` the last one: rows that came later
with an equal watermark (bulk loads, days instead of moments) are found. Those of them that were given before are
known by their digests. When more rows than ``MOST`` share one watermark their digests are not kept, and all
of them are given again; landing then counts them as repeated.

Rows whose watermark is lower than one already read are never found. That happens when the column is set at the
beginning of a transaction that commits late: then choose a column that is set by the commit, or a view that holds
rows back until they are some minutes old.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.sources.readers.database_columns import Cell

MOST = 10_000

Row = Sequence[Cell]


@dataclass
class Mark:
    """A position in a table with a watermark.

    Attributes:
        row: Rows given so far.
        value: Watermark of the last one; None before the first.
        seen: Digests of the rows given that have this watermark; None where there are too many.
        without: Digests of the rows given that have no watermark.
    """

    row: int = 0
    value: Cell = None
    seen: list[str] | None = field(default_factory=list)
    without: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, position: Any | None) -> "Mark":
        """The mark of a chunk's position."""
        return cls() if position is None else cls(**position)

    def position(self) -> dict[str, Any]:
        """Can be kept as JSON."""
        seen = None if self.seen is None else list(self.seen)
        return {"row": self.row, "value": self.value, "seen": seen, "without": list(self.without)}

    def advance(self, rows: Sequence[Row], column: int) -> None:
        """Note that ``rows`` were given, of which ``column`` is the watermark."""
        last = rows[-1][column]
        equal = [digest(row) for row in rows if row[column] == last]
        seen = self.seen if last == self.value else []
        joined = None if seen is None else [*seen, *equal]
        self.seen = joined if joined is not None and len(joined) <= MOST else None
        self.row, self.value = self.row + len(rows), last

    def advance_without(self, rows: Sequence[Row]) -> None:
        """Note that ``rows``, which have no watermark, were given."""
        self.without = [*self.without, *map(digest, rows)]
        self.row += len(rows)


class Unseen:
    """Leaves out rows that were given before, each as often as it was.

    Args:
        digests: Of those rows.
    """

    def __init__(self, digests: list[str] | None) -> None:
        self._left = Counter(digests or ())

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Those that were not given."""
        return [row for row in rows if self._is_new(row)] if self._left else list(rows)

    def _is_new(self, row: Row) -> bool:
        name = digest(row) if self._left else ""
        if name not in self._left:
            return True
        self._left[name] -= 1
        self._left += Counter()  # without those that are used up
        return False


def digest(row: Row) -> str:
    """16 hexadecimal digits that tell rows apart."""
    return hashlib.blake2b(repr(tuple(row)).encode(), digest_size=8).hexdigest()
