"""Rows of a staging folder by time: those of a range of weeks, those that came late, those of no moment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.clock import real_time
from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import ARROW_TYPES, PROVENANCE, schema
from pipelines.sources.staging import Part, Staging
from pipelines.weeks import EPOCH, ShopCalendar, to_micros

# A row without a usable moment belongs to no week: it is judged with the first batch after it was read.
OF_NO_WEEK = "(occurred_at is null or occurred_at > $now)"


class StagedRows:
    """Queries over the parts of one source.

    Args:
        staging: Where the parts are.
        calendar: The shop's weeks.
    """

    def __init__(self, staging: Staging, calendar: ShopCalendar) -> None:
        self._staging = staging
        self._calendar = calendar

    def newest(self) -> datetime | None:
        """Moment of the newest event that is not in the future, None without one."""
        query = "select epoch_us(max(occurred_at)) from staged where occurred_at <= $now"
        found = self._ask(self._staging.parts("events"), query)
        micros = found.column(0)[0].as_py() if found is not None else None
        return None if micros is None else EPOCH + timedelta(microseconds=micros)

    def week_counts(self, data_set: str) -> dict[int, int]:
        """Rows per shop week."""
        days = "select date_trunc('hour', occurred_at) as hour, count(*) as rows from staged"
        query = f"{days} where not {OF_NO_WEEK} group by hour"
        found = self._ask(self._staging.parts(data_set), query)
        counts: dict[int, int] = {}
        for hour, rows in zip(*found.to_pydict().values(), strict=True) if found is not None else ():
            week = self._calendar.week_of(hour)
            counts[week] = counts.get(week, 0) + rows
        return counts

    def of_weeks(self, data_set: str, first: int, last: int) -> pa.Table:
        """Rows of a range of weeks; a range from week 1 has all that is older, too, and the rows of no week."""
        begins, ends = self._calendar.start(first), self._calendar.end(last)
        if first == 1:
            where = f"occurred_at < $ends or {OF_NO_WEEK}"
            return self._rows(data_set, self._staging.parts(data_set), where, ends=ends)
        parts = [part for part in self._staging.parts(data_set) if _overlaps(part, begins, ends)]
        return self._rows(
            data_set, parts, "occurred_at >= $begins and occurred_at < $ends", begins=begins, ends=ends
        )

    def late(self, data_set: str, parts: Sequence[Part], last_week: int) -> pa.Table:
        """Rows of ``parts`` about weeks up to ``last_week``, and those of no week."""
        ends = self._calendar.end(last_week)
        return self._rows(data_set, parts, f"occurred_at < $ends or {OF_NO_WEEK}", ends=ends)

    def all_of(self, data_set: str, parts: Sequence[Part]) -> pa.Table:
        """Every row of ``parts``."""
        return self._rows(data_set, parts, "true")

    def known_with_week(self, rows: pa.Table) -> pa.Table:
        """``rows``, known at the end of their shop week where nothing says when they became known."""
        micros = rows["occurred_at"].cast(pa.int64()).fill_null(0).to_numpy()
        weeks, place = np.unique(self._calendar.weeks_of(micros), return_inverse=True)
        ends = np.array([to_micros(self._calendar.end(int(week))) for week in weeks], np.int64)[place]
        known = pa.array(ends).cast(ARROW_TYPES["timestamp"])
        query = """select * exclude (week_ends_at) replace (
            case when occurred_at is not null then coalesce(ingested_at, week_ends_at) else ingested_at end
            as ingested_at) from batch"""
        with _database() as connection:
            connection.register("batch", rows.append_column("week_ends_at", known))
            return connection.sql(query).to_arrow_table().cast(rows.schema)

    def _rows(self, data_set: str, parts: Sequence[Part], where: str, **moments: datetime) -> pa.Table:
        """Rows in the order of reading; of what was read again, older readings are marked as duplicates."""
        wanted, key = staged_schema(data_set), CONTRACTS[data_set].key
        superseded = f"fault is null and part < max(part) over (partition by {key}) and part in (from grown)"
        query = f"""select * replace (case when {superseded} then 'duplicate: read again' else fault end as fault)
            from staged where {where} order by part, place"""
        found = self._ask(parts, f"select {', '.join(wanted.names)} from ({query})", **moments)
        return wanted.empty_table() if found is None else found.cast(wanted)

    def _ask(self, parts: Sequence[Part], query: str, **values: Any) -> pa.Table | None:
        """The answer over the table ``staged``, the rows of ``parts``; None when there is no part."""
        if not parts:
            return None
        values = {"files": [str(self._staging.path(part)) for part in parts], "now": real_time()} | values
        values["grown"] = [part.number for part in parts if self._staging.grows(part)]
        statement = f"""with grown as (select unnest($grown::integer[])), staged as (
            select *, cast(parse_filename(filename, true) as integer) as part, file_row_number as place
            from read_parquet($files, filename = true, file_row_number = true)
            ) {query}"""
        with _database() as connection:
            used = {name: value for name, value in values.items() if f"${name}" in statement}
            return connection.sql(statement, params=used).to_arrow_table()


def staged_schema(data_set: str) -> pa.Schema:
    """The contract's columns and those of provenance."""
    text = [pa.field(name, pa.string()) for name in PROVENANCE]
    return pa.schema([*schema(CONTRACTS[data_set]), *text])


def last_of_each(rows: pa.Table, key: str) -> pa.Table:
    """Of readable rows with one key only the last; rows with a fault stay, so that they are seen."""
    query = f"""select * exclude (place) from (select *, row_number() over () as place from batch)
        qualify fault is not null or {key} is null
            or place = max(place) filter (fault is null) over (partition by {key})
        order by place"""
    return _over(rows, query)


def mark_repeated(rows: pa.Table, key: str, rule: str, counts: Literal["first", "last"]) -> pa.Table:
    """``rows``; of the readable ones with one key all but the first or the last are declared duplicates by ``rule``."""
    edge = "min" if counts == "first" else "max"
    query = f"""select * exclude (place) replace (
            case when fault is null and {key} is not null
                and place <> {edge}(place) filter (fault is null) over (partition by {key})
            then 'duplicate: {rule}' else fault end as fault)
        from (select *, row_number() over () as place from batch) order by place"""
    return _over(rows, query)


def _over(rows: pa.Table, query: str) -> pa.Table:
    with _database() as connection:
        connection.register("batch", rows)
        return connection.sql(query).to_arrow_table().cast(rows.schema)


def _overlaps(part: Part, begins: datetime, ends: datetime) -> bool:
    if part.first_us is None or part.last_us is None:
        return False
    return part.first_us < to_micros(ends) and part.last_us >= to_micros(begins)


def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'; set memory_limit = '1GB'")
    return connection
