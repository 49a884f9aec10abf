"""Shop weeks, by hand and where the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipelines.weeks import ShopCalendar, to_micros

CALENDAR = ShopCalendar(ZoneInfo("America/New_York"), date(2016, 12, 26))


@pytest.mark.parametrize(
    ("week", "start"),
    [
        (1, datetime(2016, 12, 26, 5, tzinfo=UTC)),
        (11, datetime(2017, 3, 6, 5, tzinfo=UTC)),
        (12, datetime(2017, 3, 13, 4, tzinfo=UTC)),  # summer time began on Sunday 12 March
        (45, datetime(2017, 10, 30, 4, tzinfo=UTC)),
        (46, datetime(2017, 11, 6, 5, tzinfo=UTC)),  # and ended on Sunday 5 November
        (53, datetime(2017, 12, 25, 5, tzinfo=UTC)),
    ],
)
def test_start__is_monday_midnight_of_the_shop(week: int, start: datetime) -> None:
    assert CALENDAR.start(week) == start
    assert CALENDAR.end(week - 1) == start
    assert CALENDAR.week_of(start) == week
    assert CALENDAR.week_of(start - timedelta(microseconds=1)) == week - 1


def test_week__is_an_hour_shorter_or_longer_when_the_clocks_change() -> None:
    hours = {week: (CALENDAR.end(week) - CALENDAR.start(week)) / timedelta(hours=1) for week in (10, 11, 45)}
    assert hours == {10: 168, 11: 167, 45: 169}


def test_weeks_of__agrees_with_week_of() -> None:
    edges = [CALENDAR.start(week) for week in range(-2, 60)]
    moments = [edge + timedelta(microseconds=shift) for edge in edges for shift in (-1, 0, 1)]
    micros = np.array([to_micros(moment) for moment in moments])
    assert CALENDAR.weeks_of(micros).tolist() == [CALENDAR.week_of(moment) for moment in moments]


def test_weeks_of__takes_no_moments() -> None:
    assert CALENDAR.weeks_of(np.array([], np.int64)).shape == (0,)
