from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from pipelines.contracts import PLACEMENTS
from pipelines.contracts.arrow import schema
from pipelines.features.placements import weekly_reach
from pipelines.features.shopper import REACH_SCALE, item_statistics
from pipelines.weeks import ShopCalendar
from tests.retrieval.small_shop import ITEMS, habits

CALENDAR = ShopCalendar(ZoneInfo("America/New_York"), date(2016, 12, 26))
IDS = np.array(["a", "b", "c"])


def placement(item_id: str, first: datetime, last: datetime, **other: Any) -> dict[str, Any]:
    row = {"placement_id": f"{item_id}-{first}", "item_id": item_id, "channel": "mailer", "reach": None}
    return {**row, "announced_at": None, "starts_at": first, "ends_at": last, **other}


def reach_of(*rows: dict[str, Any], weeks: tuple[int, int] = (44, 46)) -> list[list[float]]:
    table = pa.Table.from_pylist(list(rows), schema(PLACEMENTS))
    first, last = weeks
    reach = weekly_reach(table, IDS, CALENDAR.starts_us(first, last + 1))
    return reach.astype(np.float64).round(6).tolist()


def test_reach__is_that_of_the_weeks_that_the_placement_covers() -> None:
    shown = placement("b", CALENDAR.start(45), CALENDAR.end(45), reach=0.5)
    assert reach_of(shown) == [[0, 0, 0], [0, 0.5, 0], [0, 0, 0]]


def test_reach__without_a_number_is_everyone() -> None:
    assert reach_of(placement("a", CALENDAR.start(44), CALENDAR.end(46))) == [[1, 0, 0]] * 3


def test_reach__of_a_part_of_a_week_counts_by_its_length() -> None:
    # Week 45 of 2017 holds the end of daylight saving: 169 hours.
    first = CALENDAR.start(45)
    assert (CALENDAR.end(45) - first) == timedelta(hours=169)
    assert reach_of(placement("c", first, first + timedelta(hours=16.9)))[1] == [0, 0, 0.1]


def test_reach__is_not_known_before_it_was_announced() -> None:
    start = CALENDAR.start(45)
    late = placement("a", start, CALENDAR.end(46), announced_at=start + timedelta(minutes=1))
    assert reach_of(late) == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]
    early = placement("a", start, CALENDAR.end(46), announced_at=start - timedelta(days=9))
    assert reach_of(early) == [[0, 0, 0], [1, 0, 0], [1, 0, 0]]


def test_reach__of_two_placements_is_the_wider_ones() -> None:
    narrow = placement("a", CALENDAR.start(44), CALENDAR.end(44), reach=0.2)
    wide = placement("a", CALENDAR.start(44), CALENDAR.end(44), reach=0.9, placement_id="2")
    assert reach_of(wide, narrow)[0] == reach_of(narrow, wide)[0] == [0.9, 0, 0]


def test_reach__leaves_out_items_that_nobody_bought() -> None:
    here = CALENDAR.start(44), CALENDAR.end(44)
    assert reach_of(placement("A", *here), placement("bb", *here), placement("z", *here)) == [[0, 0, 0]] * 3
    assert weekly_reach(
        pa.Table.from_pylist([placement("a", *here)], schema(PLACEMENTS)),
        np.array([], np.str_),
        np.array([0, 1]),
    ).shape == (1, 0)


def test_item_statistics__say_what_is_shown_and_what_was() -> None:
    purchases = habits()
    reach = np.zeros((16, ITEMS), np.float32)
    reach[12, 3], reach[11, 3], reach[10, 4] = 0.5, 1.0, 1.0
    shown = replace(purchases.as_of(12), reach=reach)
    found = item_statistics(shown.item, shown.week, shown.shopper, shown.day, shown.reach, 12)
    assert found.shape == (ITEMS, 8)
    assert found[3, 6:].tolist() == np.log1p(REACH_SCALE * np.array([0.5, 0.25], np.float32)).tolist()
    assert found[4, 6:].tolist() == np.log1p(REACH_SCALE * np.array([0.0, 0.25], np.float32)).tolist()
    assert not found[5, 6:].any()


def test_purchases_as_of__forget_what_is_shown_later() -> None:
    reach = np.arange(16, dtype=np.float32)[:, None] * np.ones(ITEMS, np.float32)
    purchases = replace(habits(), reach=reach).as_of(9)
    assert purchases.reach[:, 0].tolist() == list(range(10))


def test_starts__are_the_weeks_of_the_calendar() -> None:
    second = datetime(2017, 1, 2, 5, tzinfo=UTC)
    assert CALENDAR.starts_us(2, 3).tolist() == [
        int(moment.timestamp()) * 1_000_000 for moment in (second, second + timedelta(weeks=1))
    ]
