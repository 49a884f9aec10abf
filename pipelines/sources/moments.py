"""Moments as SQL: from texts and typed cells of a source to UTC.

The clocks of a zone are put forward and back. An hour that comes twice means its earlier pass unless the
mapping says ``fold: later``; an hour that is skipped names no moment, and the row that says it is unreadable.
A date without a time of day is placed by ``at``; should that very time be skipped, the moment is the one to
which the clocks jump, since the day itself was there.
"""

from dataclasses import dataclass

import pyarrow as pa

from pipelines.sources.column_mapping import ColumnMapping, is_day_only
from pipelines.sources.source_cells import quoted

EPOCH_UNITS = {"epoch_seconds": 1_000_000, "epoch_millis": 1_000, "epoch_micros": 1}
NONE = "cast(null as timestamp)"
ISO_DAY = r"^\d{4}-\d\d-\d\d$"
ISO_LOCAL = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?$"
ISO_ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?(Z|UTC|[+-]\d\d(:?\d\d)?)$"

# The years are those that every library on the way can hold: nanoseconds in 64 bits end in 2262.
IN_REACH = "a year from 1900 to 2261"
MACROS = """
create macro local_of(moment, zone) as timezone(zone, timezone('UTC', moment));
create macro as_before(naive, zone) as naive - (local_of(naive - interval 1 day, zone) - (naive - interval 1 day));
create macro as_after(naive, zone) as naive - (local_of(naive + interval 1 day, zone) - (naive + interval 1 day));
create macro is_local(moment, naive, zone) as local_of(moment, zone) = naive;
create macro first_of(naive, zone, a, b) as
    case when is_local(a, naive, zone) then a when is_local(b, naive, zone) then b end;
create macro earlier_moment(naive, zone) as first_of(naive, zone, as_before(naive, zone), as_after(naive, zone));
create macro later_moment(naive, zone) as first_of(naive, zone, as_after(naive, zone), as_before(naive, zone));
create macro in_reach(moment) as year(moment) between 1900 and 2261;
"""


@dataclass(frozen=True)
class Moment:
    """SQL of one moment, by how it was written; each is null where it was not written so.

    Attributes:
        zoned: With its zone: naive UTC.
        local: Without a zone, in that of the source.
        day: A date, already moved to its time of day.
    """

    zoned: str = NONE
    local: str = NONE
    day: str = NONE


def typed_moment(cell: str, found: pa.DataType, at: str | None) -> Moment:
    """SQL of a cell that is a date or a timestamp already."""
    if pa.types.is_date(found):
        return Moment(day=_placed(f"cast({cell} as timestamp)", at))
    if found.tz is not None:
        return Moment(zoned=f"timezone('UTC', cast({cell} as timestamptz))")
    return Moment(local=f"cast({cell} as timestamp)")


def written_moment(text: str, mapping: ColumnMapping) -> Moment:
    """SQL of a text that tells a moment in one of the mapping's formats, ISO 8601 when it gives none."""
    text, at = f"trim({text})", mapping.at
    parts: dict[str, list[str]] = {"zoned": [], "local": [], "day": []}
    for pattern in mapping.format or ("iso",):
        if pattern in EPOCH_UNITS:
            parts["zoned"].append(_epoch(text, EPOCH_UNITS[pattern]))
        elif pattern == "iso":
            parts["zoned"].append(f"timezone('UTC', {_matching(text, ISO_ZONED, 'timestamptz')})")
            parts["local"].append(_matching(text, ISO_LOCAL, "timestamp"))
            parts["day"].append(_placed(_matching(text, ISO_DAY, "timestamp"), at))
        else:
            kind, sql = _by_pattern(text, pattern, at)
            parts[kind].append(sql)
    return Moment(**{kind: f"coalesce({', '.join([*found, NONE])})" for kind, found in parts.items()})


def _by_pattern(text: str, pattern: str, at: str | None) -> tuple[str, str]:
    parsed = f"try_strptime({text}, {quoted(pattern)})"
    if "%z" in pattern or "%Z" in pattern:
        return "zoned", f"timezone('UTC', {parsed})"
    return ("day", _placed(parsed, at)) if is_day_only(pattern) else ("local", parsed)


def _matching(text: str, shape: str, wanted: str) -> str:
    return f"case when regexp_matches({text}, {quoted(shape)}) then try_cast({text} as {wanted}) end"


def _epoch(text: str, micros: int) -> str:
    number = f"try_cast({text} as decimal(28, 6)) * {micros}"
    inside = f"abs({number}) < 300 * 366 * 86400000000"
    return f"case when {inside} then make_timestamp(cast({number} as bigint)) end"


def _placed(day: str, at: str | None) -> str:
    if at is None:
        return NONE
    hours, minutes, seconds = (*map(int, at.split(":")), 0)[:3]
    return f"{day} + interval {(hours * 60 + minutes) * 60 + seconds} second"


def in_utc(zone: str, fold: str, zoned: str, local: str, day: str) -> str:
    """SQL: the moment in naive UTC; null where it was not told, or the zone's clocks skip it.

    Args:
        zone: The zone of ``local`` and ``day``.
        fold: ``earlier`` or ``later``.
        zoned: SQL of the parts, as in ``Moment``.
        local: As above.
        day: As above.
    """
    if zone != "UTC":
        name = quoted(zone)
        local = f"{fold}_moment({local}, {name})"
        day = f"coalesce({fold}_moment({day}, {name}), as_before({day}, {name}))"
    return f"coalesce({zoned}, {local}, {day})"


def moment_in_words(mapping: ColumnMapping) -> str:
    """What a moment of this mapping looks like, for a person."""
    formats = mapping.format or ("iso",)
    written = " or ".join("ISO 8601" if pattern == "iso" else pattern for pattern in formats)
    needs_time = "iso" in formats and mapping.at is None
    return f"a moment as {written}" + (" with a time of day (or choose one by `at:`)" if needs_time else "")
