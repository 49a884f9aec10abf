"""Counting what becomes of a source's rows, chunk by chunk, without keeping the rows."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.declaration import Contract
from pipelines.contracts.sifting import sift
from pipelines.sources.readers import Chunk

SPLIT_REASONS = """
select case when reason like 'unreadable: %' then 'unreadable: ' || split_part(reason, ': ', 2) else reason end as kind,
    count(*) as rows, arg_min(reason, place) as said, arg_min(origin, place) as first, min(place) as place
from (select unnest(string_split(reason, '; ')) as reason, origin, row as place from quarantined)
group by kind order by kind
"""


@dataclass(frozen=True)
class Reason:
    """Why rows are quarantined or set aside.

    Attributes:
        reason: Name of a rule, ``unreadable: COLUMN`` or ``declared: RULE``.
        rows: How many rows have it; a row may have several.
        first: Where the first of them is.
        example: What was wrong with it, in words.
    """

    reason: str
    rows: int
    first: str
    example: str


@dataclass(frozen=True)
class Counts:
    """Where the rows of a data set would go; together they are all of its rows.

    Attributes:
        accepted: Would be landed.
        duplicates: Say again what another row says, or are declared to.
        set_aside: A rule of the mapping sets them aside.
        quarantined: Break a rule of the contract or cannot be read.
    """

    accepted: int = 0
    duplicates: int = 0
    set_aside: int = 0
    quarantined: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.accepted + self.duplicates + self.set_aside + self.quarantined


class Tally:
    """What one data set came to.

    Args:
        contract: Its contract.
        zone: Whose Mondays begin weeks.
        spill: Folder for what does not fit into memory.
        repeats_are_declared: Whether a rule says that rows sharing a key are duplicates.
    """

    def __init__(self, contract: Contract, zone: str, spill: Path, repeats_are_declared: bool) -> None:
        self._contract, self._zone, self._declared = contract, zone, repeats_are_declared
        self._counts, self._seen = Counts(), 0
        self._reasons: dict[str, Reason] = {}
        self._chunks: list[tuple[int, Chunk]] = []
        self._repeats: tuple[int, int, tuple[str, int] | None] | None = None
        self._database = duckdb.connect(
            config={"temp_directory": str(spill / contract.name), "memory_limit": "500MB"}
        )
        self._database.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        self._database.execute("create table keys (key varchar, content ubigint, place bigint)")
        self._database.execute("create table about (item_id varchar, events bigint)")
        self.weeks: Counter[date] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def add(self, chunk: Chunk, mapped: pa.Table, now: datetime) -> None:
        """Sift and count one chunk; ``mapped`` are its rows, each known from some moment on."""
        sifted = sift(self._numbered(mapped), self._contract, now)
        self._chunks.append((self._seen, replace(chunk, table=chunk.table.slice(0, 0))))
        self._seen += mapped.num_rows
        self._repeats = None
        added = sifted.counts
        self._counts = Counts(
            self._counts.accepted + added["accepted"],
            self._counts.duplicates + added["duplicates"],
            self._counts.set_aside + sifted.set_aside,
            self._counts.quarantined + added["quarantined"] - sifted.set_aside,
        )
        for reason in _reasons(sifted.quarantined, self._database):
            known = self._reasons.get(reason.reason)
            rows = reason.rows + (known.rows if known else 0)
            self._reasons[reason.reason] = replace(known or reason, rows=rows)
        self._remember(sifted.accepted)

    def counts(self) -> Counts:
        """Where the rows went."""
        duplicates, conflicting, _ = self._repeated()
        return replace(
            self._counts,
            accepted=self._counts.accepted - duplicates - conflicting,
            duplicates=self._counts.duplicates + duplicates,
            quarantined=self._counts.quarantined + conflicting,
        )

    def reasons(self) -> list[Reason]:
        """All reasons, the most frequent first."""
        found = list(self._reasons.values())
        _, conflicting, first = self._repeated()
        if conflicting and first is not None:
            key, place = first
            example = f"found {key!r} with different contents"
            found.append(Reason(f"{self._contract.key}_conflict", conflicting, self._origin(place), example))
        return sorted(found, key=lambda reason: (-reason.rows, reason.reason))

    def items(self) -> pa.Table:
        """Item ids, each with how many rows that keep the row rules are about it."""
        query = "select item_id, sum(events)::bigint as events from about group by item_id"
        return self._database.sql(query).to_arrow_table()

    def _numbered(self, mapped: pa.Table) -> pa.Table:
        """Keys made distinct by the row's place: rows that share one are compared over all chunks, not in each."""
        places = pa.array([f"-{place:019d}" for place in range(self._seen, self._seen + mapped.num_rows)])
        index = mapped.column_names.index(self._contract.key)
        keys = pc.binary_join_element_wise(mapped[self._contract.key], places.cast(pa.string()), "")
        return mapped.set_column(index, mapped.schema.field(index), keys)

    def _remember(self, accepted: pa.Table) -> None:
        self._database.register("accepted", accepted)
        key = self._contract.key
        told = [name for name in self._contract.column_names if name not in (key, "ingested_at")]
        self._database.execute(
            f"insert into keys select {key}[:-21], hash({', '.join(told)}), cast({key}[-19:] as bigint) from accepted"
        )
        if "item_id" in self._contract.column_names:
            item = "item_id[:-21]" if key == "item_id" else "item_id"
            self._database.execute(
                f"insert into about select {item}, count(*) from accepted where item_id is not null group by 1"
            )
        if "occurred_at" in self._contract.column_names and accepted.num_rows:
            self._remember_moments(accepted)

    def _remember_moments(self, accepted: pa.Table) -> None:
        edges = pc.min_max(accepted["occurred_at"]).as_py()
        self.first = min(filter(None, (self.first, edges["min"])))
        self.last = max(filter(None, (self.last, edges["max"])))
        monday = "cast(date_trunc('week', timezone($zone, occurred_at)) as date)"
        query = f"select {monday}, count(*) from accepted group by 1"
        self.weeks.update(dict(self._database.execute(query, {"zone": self._zone}).fetchall()))

    def _repeated(self) -> tuple[int, int, tuple[str, int] | None]:
        """Duplicates, rows in conflict, and key and place of the first of these; asked once all is counted."""
        if self._repeats is None:
            self._repeats = self._find_repeated()
        return self._repeats

    def _find_repeated(self) -> tuple[int, int, tuple[str, int] | None]:
        grouped = """select key, count(*) as rows, count(distinct content) as tellings, min(place) as place
            from keys group by key having count(*) > 1"""
        same = "true" if self._declared else "tellings = 1"
        query = f"""select coalesce(sum(rows - 1) filter ({same}), 0),
            coalesce(sum(rows) filter (not ({same})), 0),
            arg_min(key, place) filter (not ({same})), min(place) filter (not ({same})) from ({grouped})"""
        duplicates, conflicting, key, place = self._database.execute(query).fetchall()[0]
        return int(duplicates), int(conflicting), None if key is None else (str(key), int(place))

    def _origin(self, place: int) -> str:
        start, chunk = next(one for one in reversed(self._chunks) if one[0] <= place)
        return f"{chunk.origin}, row {chunk.first_row + place - start}"


def _reasons(quarantined: pa.Table, database: duckdb.DuckDBPyConnection) -> list[Reason]:
    database.register("quarantined", quarantined)
    found = database.execute(SPLIT_REASONS).fetchall()
    return [
        Reason(kind, rows, first or "", _example(said, quarantined.slice(place_of(quarantined, place), 1)))
        for kind, rows, said, first, place in found
    ]


def place_of(quarantined: pa.Table, row: int) -> int:
    """Where in the quarantine the batch's row ``row`` is."""
    return int(pc.index(quarantined["row"], row).as_py())


def _example(said: str, row: pa.Table) -> str:
    """What a reason says beyond its name: its own words, or the value of the column that the rule is about."""
    if said.startswith("unreadable: "):
        return said.split(": ", 2)[-1]
    about = [name for name in row.column_names if said.startswith(f"{name}_")]
    return f"found {row[max(about, key=len)][0].as_py()!r}" if about else ""
