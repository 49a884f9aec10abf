"""The recorded shop clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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


def test_record__names_a_broken_file_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text('{"week": ')
    with pytest.raises(ClockError, match=r"clock.json: not a shop clock.*delete it and run `shoploop land`"):
        ShopClock(tmp_path / "clock.json").now()
