"""The quarantine as one table: which rows wait in it, why, and which were mended and taken in since."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.contracts import APPENDED, CONTRACTS
from pipelines.contracts.sifting import quarantine_schema
from pipelines.landing import Accepted, Landing

OPEN, RESUBMITTED = "open", "resubmitted"
# A "; " inside a value that was found does not begin a reason.
NEXT_REASON = re.compile(r"; (?=(?:unreadable|declared): |[a-z][a-z0-9_]*(?:;|$))")
Place = tuple[str, str, int]


class QuarantineError(Exception):
    """What was asked of the quarantine makes no sense; the message says what does."""


@dataclass(frozen=True)
class Group:
    """Quarantined rows of one batch and data set that are there for the same reasons.

    Attributes:
        batch_id: The batch in which they came.
        data_set: What they are.
        reason: Rules or faults, without what was found; several joined by "; ".
        rows: How many.
        open: How many of them wait.
        resubmitted: How many of them were mended and taken in.
    """

    batch_id: str
    data_set: str
    reason: str
    rows: int
    open: int
    resubmitted: int


def closed_rows(landing: Landing) -> dict[Place, str]:
    """Quarantined rows (data set, batch, row) that were taken in, each with the batch that brought it."""
    closed = {}
    for record in _resubmissions(landing):
        for claim in landing.closed(record.batch.batch_id).to_pylist():
            closed[claim["data_set"], claim["batch_id"], claim["row"]] = record.batch.batch_id
    return closed


def claimed_rows(landing: Landing) -> dict[Place, str]:
    """Quarantined rows whose mended row has landed and is not judged yet, each with its batch."""
    claimed = {}
    for batch in landing.pending():
        for claim in landing.claims(batch.batch_id).to_pylist():
            claimed[claim["data_set"], claim["batch_id"], claim["row"]] = batch.batch_id
    return claimed


def quarantine_table(landing: Landing, batch_id: str | None = None, data_set: str | None = None) -> pa.Table:
    """All quarantined rows, oldest batch first.

    Args:
        landing: The store.
        batch_id: Only those of one batch.
        data_set: Only those of one data set.

    Returns:
        ``batch_id``, ``data_set``, ``state`` (``open`` or ``resubmitted``), ``resubmitted_as`` (the batch that
        brought the mended row), then the columns of ``quarantine_schema``, those of all data sets side by side.
    """
    closed = closed_rows(landing)
    tables = [
        _of_batch(landing, record.batch.batch_id, name, closed)
        for record in landing.accepted()
        if batch_id in (None, record.batch.batch_id)
        for name in CONTRACTS
        if data_set in (None, name) and landing.quarantine_file(name, record.batch.batch_id).exists()
    ]
    return pa.concat_tables([_nothing(data_set), *tables], promote_options="default")


def _nothing(data_set: str | None) -> pa.Table:
    names = [data_set] if data_set else list(CONTRACTS)
    shown = [("batch_id", pa.string()), ("data_set", pa.string()), ("state", pa.string())]
    places = pa.schema([*shown, ("resubmitted_as", pa.string())])
    return pa.unify_schemas([places, *(quarantine_schema(CONTRACTS[name]) for name in names)]).empty_table()


def _of_batch(landing: Landing, batch_id: str, name: str, closed: dict[Place, str]) -> pa.Table:
    rows = landing.quarantined(name, batch_id)
    brought = pa.array([closed.get((name, batch_id, row)) for row in rows["row"].to_pylist()], pa.string())
    state = pc.if_else(pc.is_valid(brought), RESUBMITTED, OPEN)
    front = {"batch_id": [batch_id] * len(rows), "data_set": [name] * len(rows), "state": state}
    columns = front | {"resubmitted_as": brought} | dict(zip(rows.column_names, rows.columns, strict=True))
    return pa.table(columns)


def groups(landing: Landing) -> list[Group]:
    """What is in quarantine by batch, data set and reason; the most rows of a batch first."""
    rows = quarantine_table(landing).select(["batch_id", "data_set", "reason", "state"]).to_pylist()
    found = Counter(
        (row["batch_id"], row["data_set"], short_reason(row["reason"]), row["state"]) for row in rows
    )
    place = {record.batch.batch_id: number for number, record in enumerate(landing.accepted())}
    summed = [
        Group(*key, found[*key, OPEN] + found[*key, RESUBMITTED], found[*key, OPEN], found[*key, RESUBMITTED])
        for key in {key[:3] for key in found}
    ]
    return sorted(
        summed, key=lambda group: (place[group.batch_id], group.data_set, -group.rows, group.reason)
    )


def reasons_of(reason: str) -> list[str]:
    """The single reasons of a row."""
    return NEXT_REASON.split(reason)


def short_reason(reason: str) -> str:
    """Reasons without what was expected and found: ``unreadable: quantity``, ``declared: RULE`` or a rule's name."""
    return "; ".join(": ".join(one.split(": ")[:2]) for one in reasons_of(reason))


def has_reason(reason: str, asked: str) -> bool:
    """Whether a row's reasons hold every one that was asked for; ``unreadable`` stands for any column."""
    said = reasons_of(reason)
    return all(
        any(one == wanted or one.startswith(f"{wanted}:") for one in said) for wanted in asked.split("; ")
    )


def counted(rows: int, word: str = "row") -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{rows:,} {word}{'' if rows == 1 else 's'}"


def explain(row: dict[str, Any]) -> str:
    """The reasons of a quarantined row, each with the value that it is about."""
    return "; ".join(_explained(one, row) for one in reasons_of(row["reason"]))


def _explained(reason: str, row: dict[str, Any]) -> str:
    # The longest name: user_id_present is about user_id, not about a column named user.
    about = max((name for name in row if reason.startswith(f"{name}_")), key=len, default="")
    return f"{reason} ({about}: {row[about]!r})" if about and row[about] is not None else reason


def query(landing: Landing, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Ask the table ``quarantine`` (see ``quarantine_table``); nothing can be changed by it.

    Returns:
        Names of the columns, and the rows.

    Raises:
        QuarantineError: The query cannot be run; the message says why and which columns there are.
    """
    table = quarantine_table(landing)
    with duckdb.connect() as connection:
        connection.register("quarantine", table)
        # No file is read or written, whatever the query says.
        connection.execute("set enable_external_access = false; set python_enable_replacements = false")
        connection.execute("set lock_configuration = true")
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QuarantineError(f"expected one SELECT over the table quarantine, found {sql!r}")
            answer = connection.execute(statements[0])
            return [column[0] for column in answer.description], answer.fetchall()
        except duckdb.Error as error:
            columns = f"\nthe table quarantine has the columns {', '.join(table.column_names)}; all but row are text"
            about_a_name = isinstance(error, duckdb.BinderException)
            raise QuarantineError(
                f"the query cannot be run: {error}{columns if about_a_name else ''}"
            ) from None


def conservation_faults(landing: Landing) -> list[str]:
    """Where the store does not account for every row; empty when it does.

    Of every accepted batch and data set, rows in = accepted + quarantined + duplicates, and the files hold as many
    rows as its record says. Every quarantined row is open or was taken in, once, by an accepted resubmitted batch,
    and each row of such a batch was one of them: so open + taken in = quarantined.
    """
    records = landing.accepted()
    return [
        *(fault for record in records for fault in _miscounted(landing, record)),
        *_closed_wrongly(landing),
    ]


def _miscounted(landing: Landing, record: Accepted) -> list[str]:
    batch_id, faults = record.batch.batch_id, []
    for name, counts in record.counts.items():
        parts = {part: counts[part] for part in ("accepted", "quarantined", "duplicates")}
        if counts["rows_in"] != sum(parts.values()):
            faults.append(f"{batch_id}: {name}: {counts['rows_in']:,} rows came in, {parts} went out")
        files = {"quarantined": landing.quarantine_file(name, batch_id)}
        if any(contract.name == name for contract in APPENDED):
            files["accepted"] = landing.rows_of(name, batch_id)
        for part, path in files.items():
            held = pq.read_metadata(path).num_rows if path.exists() else 0
            if held != counts[part]:
                faults.append(
                    f"{path}: expected {counts[part]:,} {part} rows, as the record says, found {held:,}"
                )
    return faults


def _closed_wrongly(landing: Landing) -> list[str]:
    faults = []
    there: dict[tuple[str, str], set[int]] = {}
    seen: dict[Place, str] = {}
    for record in _resubmissions(landing):
        batch_id, claims = record.batch.batch_id, landing.closed(record.batch.batch_id).to_pylist()
        took = sum(counts["rows_in"] for counts in record.counts.values())
        if took != len(claims):
            faults.append(f"{batch_id}: {took:,} mended rows came in for {len(claims):,} quarantined ones")
        for name, source, row in ((claim["data_set"], claim["batch_id"], claim["row"]) for claim in claims):
            if (name, source) not in there:
                there[name, source] = set(landing.quarantined(name, source)["row"].to_pylist())
            if row not in there[name, source]:
                faults.append(f"{batch_id}: takes in row {row} of {source}, which is not in quarantine")
            if earlier := seen.get((name, source, row)):
                faults.append(f"{batch_id}: takes in row {row} of {source} again, after {earlier}")
            seen[name, source, row] = batch_id
    return faults


def _resubmissions(landing: Landing) -> list[Accepted]:
    return [record for record in landing.accepted() if record.batch.kind == "resubmitted"]
