"""What landing asks of the shop's own data, wherever they are."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

import pyarrow as pa

Tables = Mapping[str, pa.Table]
Say = Callable[[str], None]


class ShopSource(Protocol):
    """The shop's own data, by range of shop weeks."""

    @property
    def name(self) -> str:
        """What people call it; batches of weeks carry it."""

    @property
    def last_week(self) -> int:
        """Last week of which everything is there, 0 when there is none."""

    def pull(self, say: Say) -> None:
        """Bring what is new from outside to this machine; goes on where it was interrupted."""

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """The weeks ``first`` to ``last`` cut so that each range fits into memory."""

    def read_weeks(self, first: int, last: int) -> Tables:
        """All data sets of a range in their contracts' schemas, with ``ingested_at`` filled.

        The first range of a shop's history also has the reference data and the rows of no week.
        """

    def read_late(self, after: int, last_week: int, known_at: datetime) -> Iterator[tuple[int, int, Tables]]:
        """What has come since part ``after`` about weeks up to ``last_week``, and reference data.

        Yields:
            First part, last part, and their rows, known from ``known_at`` on.
        """

    def read_again(self, first: int, last: int, known_at: datetime, say: Say) -> Iterator[Tables]:
        """A past range anew from outside, range by range, known from ``known_at`` on."""

    @property
    def through(self) -> int:
        """Number of the last part that was pulled; 0 where there are no parts."""

    def repeats(self, after: int) -> dict[str, int]:
        """Rows by data set that pulling left out since part ``after``, as the declaration says (``keep_last``)."""
