"""Shop weeks: whole weeks of the shop's own time zone, counted from its first Monday."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipelines.params import Shop

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware ``moment``."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(moment: int) -> datetime:
    """The moment in UTC of microseconds since the epoch."""
    return EPOCH + moment * MICROSECOND


@dataclass(frozen=True)
class ShopCalendar:
    """Week arithmetic of one shop.

    Invariants:
        Week n ends where week n + 1 starts. A week is 167 or 169 hours long when the clocks change in it.
    """

    timezone: ZoneInfo
    first_week: date

    @classmethod
    def of(cls, shop: Shop) -> "ShopCalendar":
        """The calendar that ``params.yaml`` describes."""
        return cls(ZoneInfo(shop.timezone), shop.first_week)

    def start(self, week: int) -> datetime:
        """First moment of ``week``, in UTC."""
        return self.midnight(self.first_week + timedelta(weeks=week - 1))

    def end(self, week: int) -> datetime:
        """First moment after ``week``, in UTC."""
        return self.start(week + 1)

    def starts_us(self, first: int, last: int) -> NDArray[np.int64]:
        """First moments of the weeks ``first`` to ``last``, microseconds since the epoch (UTC)."""
        return np.array([to_micros(self.start(week)) for week in range(first, last + 1)])

    def midnight(self, day: date) -> datetime:
        """First moment of a day of the shop, in UTC."""
        return datetime.combine(day, time(), tzinfo=self.timezone).astimezone(UTC)

    def week_of(self, moment: datetime) -> int:
        """The week that an aware ``moment`` is in; below 1 before the first."""
        return (moment.astimezone(self.timezone).date() - self.first_week).days // 7 + 1

    def weeks_of(self, micros: NDArray[np.int64]) -> NDArray[np.int32]:
        """The week of each moment.

        Args:
            micros: Microseconds since the epoch, shape ``(n,)``.

        Returns:
            Weeks, shape ``(n,)``.
        """
        if micros.size == 0:
            return np.zeros(0, np.int32)
        first, last = (
            self.week_of(EPOCH + timedelta(microseconds=int(edge))) for edge in (micros.min(), micros.max())
        )
        return (np.searchsorted(self.starts_us(first, last), micros, side="right") + (first - 1)).astype(
            np.int32
        )
