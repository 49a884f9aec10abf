"""The recorded shop clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.clock import ClockError, ShopClock

WALL = datetime(2026, 5, 1, 12, tzinfo=UTC)
BASE = datetime(2017, 10, 30, 4, tzinfo=UTC)


def test_now__is_real_time_without_a_record(tmp_path: Path) -> None:
    clock = ShopClock(tmp_path / "clock.json", lambda: WALL)
    assert clock.now() == WALL
    assert clock.week == 0


def test_now__runs_on_from_the_end_of_the_landed_week(tmp_path: Path) -> None:
    ShopClock(tmp_path / "clock.json", lambda: WALL).advance(44, BASE)
    later = ShopClock(tmp_path / "clock.json", lambda: WALL + timedelta(minutes=7))
    assert later.now() == BASE + timedelta(minutes=7)
    assert later.week == 44


def test_now__does_not_go_back_when_the_real_clock_does(tmp_path: Path) -> None:
    ShopClock(tmp_path / "clock.json", lambda: WALL).advance(44, BASE)
    assert ShopClock(tmp_path / "clock.json", lambda: WALL - timedelta(days=1)).now() == BASE


def test_now__is_real_time_in_production(tmp_path: Path) -> None:
    clock = ShopClock(tmp_path / "clock.json", lambda: WALL)
    clock.advance(44, BASE, mode="production")
    assert clock.now() == WALL


def test_advance__never_goes_back_a_week(tmp_path: Path) -> None:
    clock = ShopClock(tmp_path / "clock.json", lambda: WALL)
    assert clock.advance(45, BASE + timedelta(weeks=1)) is True
    assert clock.advance(44, BASE) is False
    assert clock.now() == BASE + timedelta(weeks=1)


@pytest.mark.parametrize(("days_up", "shop_days"), [(1, 7), (7, 7), (10, 10)])
def test_advance__moves_to_the_end_of_the_week_unless_the_clock_is_past_it(
    tmp_path: Path, days_up: int, shop_days: int
) -> None:
    path = tmp_path / "clock.json"
    ShopClock(path, lambda: WALL).advance(44, BASE)
    then = WALL + timedelta(days=days_up)

    assert ShopClock(path, lambda: then).advance(45, BASE + timedelta(weeks=1)) is True

    assert ShopClock(path, lambda: then).now() == BASE + timedelta(days=shop_days)
    assert ShopClock(path, lambda: then + timedelta(minutes=7)).now() == BASE + timedelta(
        days=shop_days, minutes=7
    )
    assert ShopClock(path, lambda: then).week == 45


def test_advance__older_week_leaves_a_clock_that_has_run_on_alone(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    ShopClock(path, lambda: WALL).advance(44, BASE)
    before = path.read_bytes()

    assert ShopClock(path, lambda: WALL + timedelta(days=10)).advance(44, BASE) is False

    assert path.read_bytes() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 3)), min_size=1, max_size=6))
def test_advance__time_never_goes_back(tmp_path: Path, steps: list[tuple[int, int]]) -> None:
    path, wall, week = tmp_path / "clock.json", WALL, 44
    path.unlink(missing_ok=True)
    ShopClock(path, lambda: wall).advance(week, BASE)
    for hours, weeks in steps:
        wall, week = wall + timedelta(hours=hours), week + weeks
        before = ShopClock(path, lambda now=wall: now).now()
        ShopClock(path, lambda now=wall: now).advance(week, BASE + timedelta(weeks=week - 44))
        assert ShopClock(path, lambda now=wall: now).now() >= before


def test_record__names_a_broken_file_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text('{"week": ')
    with pytest.raises(ClockError, match=r"clock.json: not a shop clock.*delete it and run `shoploop land`"):
        ShopClock(tmp_path / "clock.json").now()
