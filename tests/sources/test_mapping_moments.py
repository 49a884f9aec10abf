"""Moments of a source: formats, zones, and the hours at which clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from source_rows import GOOD, Rows, mapped, source

from pipelines.sources.declaration import SourceError
from pipelines.sources.mapping import map_chunk


def moments(mapping: dict[str, Any], texts: list[str | None], zone: str = "UTC") -> list[datetime | None]:
    shop = source({"occurred_at": {"from": "at", **mapping}}, zone)
    return [row["occurred_at"] for row in mapped(shop, *({"at": text} for text in texts))]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_moments__are_read_by_patterns_tried_in_order() -> None:
    formats = ["%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y-%m-%dT%H:%M:%S%z", "%d %b %Y, %H:%M:%S.%f"]
    texts = ["3.5.2024 07:08", " 05/03/2024 07:08 PM", "2024-05-03T07:08:09+0200", "03 May 2024, 07:08:09.25"]
    assert moments({"format": formats}, [*texts, None, ""]) == [
        utc(2024, 5, 3, 7, 8),
        utc(2024, 5, 3, 19, 8),
        utc(2024, 5, 3, 5, 8, 9),
        utc(2024, 5, 3, 7, 8, 9, 250_000),
        None,
        None,
    ]


def test_moments__take_the_first_number_for_the_day_where_the_mapping_says_so() -> None:
    day_first = moments({"format": "%d/%m/%Y %H:%M"}, ["03/04/2024 00:00"])
    month_first = moments({"format": "%m/%d/%Y %H:%M"}, ["03/04/2024 00:00"])
    assert (day_first, month_first) == ([utc(2024, 4, 3)], [utc(2024, 3, 4)])


def test_moments__are_read_as_iso_with_and_without_zone() -> None:
    texts = ["2024-07-01 12:00", "2024-07-01T12:00:00.5", "2024-07-01T12:00:00Z", "2024-07-01 12:00:00+05:30"]
    assert moments({}, texts, "Europe/Berlin") == [
        utc(2024, 7, 1, 10),
        utc(2024, 7, 1, 10, 0, 0, 500_000),
        utc(2024, 7, 1, 12),
        utc(2024, 7, 1, 6, 30),
    ]


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("epoch_seconds", "1714723689"),
        ("epoch_seconds", "1714723689.0"),
        ("epoch_seconds", "1.714723689e9"),
        ("epoch_millis", "1714723689000"),
        ("epoch_micros", "1714723689000000"),
    ],
)
def test_moments__are_counted_from_the_epoch(unit: str, text: str) -> None:
    """In UTC, whatever the zone of the source."""
    assert moments({"format": unit}, [text], "Asia/Tokyo") == [utc(2024, 5, 3, 8, 8, 9)]


def test_moments__in_the_wrong_unit_are_out_of_reach() -> None:
    """Millis taken for seconds would be in the year 56,000."""
    shop = source({"occurred_at": {"from": "at", "format": "epoch_seconds"}})
    row = mapped(shop, {"at": "1714723689000"})[0]
    assert (
        "unreadable: occurred_at: expected a moment as epoch_seconds, found '1714723689000'" in row["fault"]
    )


def test_moments__of_days_are_placed_where_the_mapping_says() -> None:
    for at, expected in [
        ("23:59:59", utc(2024, 5, 3, 21, 59, 59)),
        ("24:00", utc(2024, 5, 3, 22)),
        ("12:00", utc(2024, 5, 3, 10)),
    ]:
        texts = ["3.5.2024"]
        assert moments({"format": "%d.%m.%Y", "at": at}, texts, "Europe/Berlin") == [expected]
        assert moments({"at": at}, ["2024-05-03"], "Europe/Berlin") == [expected]


def test_moments__of_days_need_a_time_of_day() -> None:
    row = mapped(source(), {"at": "2024-05-03"})[0]
    assert row["fault"].endswith("with a time of day (or choose one by `at:`), found '2024-05-03'")


def test_moments__come_typed_from_parquet_and_databases() -> None:
    naive, aware = datetime(2024, 7, 1, 12), datetime(2024, 7, 1, 12, tzinfo=UTC)
    cells = {
        "naive": pa.array([naive], pa.timestamp("ns")),
        "aware": pa.array([aware], pa.timestamp("ms", tz="America/New_York")),
        "day": pa.array([naive.date()], pa.date32()),
        "seconds": pa.array([1714723689], pa.int64()),
        "compact": pa.array([20240701], pa.int64()),
    }
    table = pa.table({name: [value] for name, value in GOOD.items()} | cells)
    formats = {"seconds": {"format": "epoch_seconds"}, "compact": {"format": "%Y%m%d", "at": "12:00"}}
    formats["day"] = {"at": "00:00"}
    found = {}
    for name in cells:
        shop = source({"occurred_at": {"from": name, **formats.get(name, {})}})
        found[name] = map_chunk(Rows(table), shop, "events")["occurred_at"].to_pylist()[0]
    assert found == {
        "naive": utc(2024, 7, 1, 10),
        "aware": utc(2024, 7, 1, 12),
        "day": utc(2024, 6, 30, 22),
        "seconds": utc(2024, 5, 3, 8, 8, 9),
        "compact": utc(2024, 7, 1, 10),
    }


def test_moments__of_typed_days_need_a_time_of_day() -> None:
    table = pa.table(
        {name: [value] for name, value in GOOD.items() if name != "at"} | {"at": [utc(2024, 7, 1).date()]}
    )
    with pytest.raises(SourceError, match="occurred_at: at holds days without a time: say `at:`"):
        map_chunk(Rows(table), source(), "events")


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "UTC"]
)
@pytest.mark.parametrize("fold", ["earlier", "later"])
def test_moments__agree_with_the_zone_data_through_a_whole_year(zone: str, fold: str) -> None:
    """Every half hour of 2024, against zoneinfo: the hour that comes twice by ``fold``, the skipped one refused."""
    local = [datetime(2024, 1, 1) + timedelta(minutes=30 * step) for step in range(366 * 48)]
    table = pa.table(
        {name: [value] * len(local) for name, value in GOOD.items() if name != "at"} | {"at": local}
    )
    shop = source({"occurred_at": {"from": "at", "fold": fold}}, zone)
    result = map_chunk(Rows(table), shop, "events")
    expected = [by_zoneinfo(moment, zone, fold == "later") for moment in local]
    assert result["occurred_at"].to_pylist() == expected
    assert [fault is None for fault in result["fault"].to_pylist()] == [
        moment is not None for moment in expected
    ]
    changes = {"Europe/Berlin": 2, "America/New_York": 2, "Australia/Lord_Howe": 1}
    assert expected.count(None) == changes.get(zone, 0)


def by_zoneinfo(moment: datetime, zone: str, later: bool) -> datetime | None:
    aware = moment.replace(tzinfo=ZoneInfo(zone), fold=int(later)).astimezone(UTC)
    exists = aware.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment
    return aware if exists else None


def test_moments__of_a_skipped_hour_say_so() -> None:
    row = mapped(source(), {"at": "2024-03-31T02:30:00"})[0]
    assert row["occurred_at"] is None
    assert row["fault"] == (
        "unreadable: occurred_at: expected a moment that the clocks of Europe/Berlin show, not an hour skipped, "
        "found '2024-03-31T02:30:00'"
    )


def test_moments__of_an_hour_that_comes_twice_can_be_worked_out_by_hand() -> None:
    """Berlin put its clocks back at 3:00 (UTC+2) to 2:00 (UTC+1) on 27 October 2024."""
    assert moments({}, ["2024-10-27T02:30"], "Europe/Berlin") == [utc(2024, 10, 27, 0, 30)]
    assert moments({"fold": "later"}, ["2024-10-27T02:30"], "Europe/Berlin") == [utc(2024, 10, 27, 1, 30)]


def test_moments__of_days_move_to_where_the_clocks_jump() -> None:
    """Beirut skipped the first hour of 31 March 2024: its day began at 1:00 (UTC+3)."""
    assert moments({"at": "00:00"}, ["2024-03-31"], "Asia/Beirut") == [utc(2024, 3, 30, 22)]


def test_moments__may_have_another_zone_than_the_source() -> None:
    assert moments({"timezone": "UTC"}, ["2024-07-01T12:00"], "Europe/Berlin") == [utc(2024, 7, 1, 12)]


@pytest.mark.parametrize(
    ("text", "kept"), [("0001-01-01", False), ("1899-12-31", False), ("9999-12-31", False)]
)
def test_moments__of_placeholder_years_are_refused(text: str, kept: bool) -> None:
    """Year 1 and 9999 are placeholders, and years beyond 2262 do not fit into 64 bits of nanoseconds."""
    row = mapped(source({"occurred_at": {"from": "at", "at": "12:00"}}), {"at": text})[0]
    assert row["fault"] == f"unreadable: occurred_at: expected a year from 1900 to 2261, found '{text}'"


def test_moments__may_translate_placeholders() -> None:
    names = {"9999-12-31": "2199-12-31", "0000-00-00": ""}
    shop = source({"occurred_at": {"from": "at", "names": names, "others": "keep", "at": "00:00"}}, "UTC")
    rows = mapped(shop, *({"at": text} for text in ("9999-12-31", "2024-01-02", "0000-00-00")))
    assert [row["occurred_at"] for row in rows] == [utc(2199, 12, 31), utc(2024, 1, 2), None]
    assert [row["fault"] for row in rows] == [None] * 3
