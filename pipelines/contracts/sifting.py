"""Sorting a batch's rows into accepted, quarantined and duplicate; nothing is dropped."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.arrow import PROVENANCE, schema
from pipelines.contracts.declaration import AS_OF, Contract, RowRule
from pipelines.contracts.rules import row_rules

UNREADABLE = "unreadable"
# A reason that the source's mapping chose: the rule's name ends at the next reason.
DECLARED = r"(?:^|; )declared: ([^;]+)"
REPEATED = r"(?:^|; )duplicate: "


@dataclass(frozen=True)
class Sifted:
    """Where the rows of a batch went.

    Attributes:
        accepted: Rows that keep every rule, in the contract's columns and order.
        quarantined: In the schema of ``quarantine_schema``. The reason is a row's fault where it came with one,
            else the names of the broken rules, joined by "; ".
        duplicates: How many rows said again what an accepted row says, or what a quarantined row of an earlier batch
            says, or were declared to.
        violations: Rows per broken rule, ``unreadable`` or ``declared: RULE``; a row may break several.
        set_aside: How many of the quarantined rows a rule of the source's mapping chose to set aside.
        declared_duplicates: How many of the duplicates such a rule declared.
        quarantined_before: Which rows (from 1) are in quarantine already, from an earlier batch.
    """

    accepted: pa.Table
    quarantined: pa.Table
    duplicates: int
    violations: dict[str, int]
    set_aside: int = 0
    declared_duplicates: int = 0
    quarantined_before: tuple[int, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Rows in, accepted, quarantined and duplicate."""
        parts = {
            "accepted": self.accepted.num_rows,
            "quarantined": self.quarantined.num_rows,
            "duplicates": self.duplicates,
        }
        return {"rows_in": sum(parts.values()), **parts}


def quarantine_schema(contract: Contract) -> pa.Schema:
    """Columns of a quarantine file: ``row`` (place in the batch, from 1), reason, where the row came from and the
    source's own row where they are known, then the contract's columns as text."""
    names = ("reason", "origin", "original", *contract.column_names)
    return pa.schema([("row", pa.int64()), *((name, pa.string()) for name in names)])


def asked_rows(table: pa.Table, contract: Contract, sifted: Sifted) -> pa.Table:
    """Rows that the row rules are asked about, in the contract's columns: without a fault, and not known as bad."""
    asked = pa.array(range(1, table.num_rows + 1), pa.int64()) if sifted.quarantined_before else None
    if asked is not None:
        before = pa.array(sifted.quarantined_before, pa.int64())
        table = table.filter(pc.invert(pc.is_in(asked, value_set=before)))
    if "fault" in table.column_names:
        table = table.filter(pc.equal(pc.fill_null(table["fault"], ""), ""))
    return table.select(contract.column_names)


def sift(
    table: pa.Table,
    contract: Contract,
    as_of: datetime,
    known: pa.Table | None = None,
    known_bad: pa.Table | None = None,
) -> Sifted:
    """Sift ``table``, which has the contract's schema and, optionally, columns of ``PROVENANCE``.

    A row with a fault is not asked whether it keeps the rules: it goes to quarantine with the fault as its reason,
    or is counted as a duplicate where the fault is ``duplicate: RULE``.

    Args:
        table: The batch.
        contract: Its contract.
        as_of: The batch's present; later moments are in the future.
        known: Rows accepted before that share a key with this batch, in the contract's schema. None when
            a key that comes again replaces what was known.
        known_bad: Rows quarantined before, in the schema of ``quarantine_schema``. A row that is bad in the same way
            again, as when accepted weeks are read anew, is a duplicate of it. None when it is to be quarantined.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("batch", _with_provenance(table))
        connection.register("known", known if known is not None else schema(contract).empty_table())
        bad = known_bad if known_bad is not None else quarantine_schema(contract).empty_table()
        connection.register("known_bad", bad)
        _mark(connection, contract, as_of)
        _pass_over_known_bad(connection, contract)
        return Sifted(
            accepted=_accepted(connection, contract),
            quarantined=_quarantined(connection, contract),
            duplicates=_count(connection, "is_duplicate"),
            violations=_violations(connection, contract),
            set_aside=_count(connection, f"reason <> '' and {_says(DECLARED)}"),
            declared_duplicates=_count(connection, "is_declared_duplicate"),
            quarantined_before=_rows_of(connection, "again"),
        )


def _with_provenance(table: pa.Table) -> pa.Table:
    for name in PROVENANCE:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table


def _says(pattern: str) -> str:
    return f"coalesce(regexp_matches(fault, '{pattern}'), false)"


def _mark(connection: duckdb.DuckDBPyConnection, contract: Contract, as_of: datetime) -> None:
    """Number the rows, then give each its reason (empty when none) and say whether it is a duplicate."""
    reasons = ", ".join(_reason(rule, as_of) for rule in row_rules(contract))
    connection.execute(
        "create temp table numbered as select row_number() over () as row, "
        "* replace (nullif(fault, '') as fault) from batch"
    )
    connection.execute(
        f"""create temp table judged as select *, {_says(REPEATED)} as is_declared_duplicate,
        coalesce(fault, concat_ws('; ', {reasons})) as row_reason from numbered"""
    )
    connection.execute(f"create temp table repeated as {_repeated(contract)}")
    connection.execute(
        f"""create temp table marked as
        select judged.*,
            case when not is_declared_duplicate then
                concat_ws('; ', nullif(row_reason, ''), case when conflict then '{contract.key}_conflict' end)
            else '' end as reason,
            is_declared_duplicate or coalesce(not conflict and (seen_before or judged.row > first_row), false)
                as is_duplicate
        from judged left join repeated on judged.{contract.key} = repeated.key and row_reason = ''"""
    )


def _pass_over_known_bad(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Make duplicates of rows that are in quarantine already, with equal cells and for equal reasons."""
    content = ", ".join(f"cast({name} as varchar)" for name in contract.column_names if name != "ingested_at")
    # Where the row has no name of its own, where it came from tells it from another that says the same.
    telling = f"hash(reason, original, coalesce(cast({contract.key} as varchar), origin), {content})"
    connection.execute(
        f"""create temp table again as select row from marked
        where reason <> '' and {telling} in (select {telling} from known_bad)"""
    )
    connection.execute(
        "update marked set reason = '', is_duplicate = true where row in (select row from again)"
    )


def _rows_of(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[int, ...]:
    return tuple(row for (row,) in connection.execute(f"select row from {name} order by row").fetchall())


def _reason(rule: RowRule, as_of: datetime) -> str:
    holds = rule.holds.replace(AS_OF, f"timestamptz '{as_of.isoformat()}'")
    return f"case when not coalesce(({holds}), true) then '{rule.name}' end"


def _repeated(contract: Contract) -> str:
    """Keys that come more than once among good rows and known rows, and whether their contents differ."""
    # When the shop learned of an event may differ between two tellings of it; what happened may not.
    content = ", ".join(name for name in contract.column_names if name != "ingested_at")
    told = f"select {contract.key} as key, row, hash({content}) as content from judged where row_reason = ''"
    heard = f"select {contract.key} as key, 0 as row, hash({content}) as content from known"
    found = "min(row) as first_row, min(row) = 0 as seen_before, min(content) <> max(content) as conflict"
    return f"""select key, {found}
        from ({told} union all {heard}) group by key having count(*) > 1"""


def _accepted(connection: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Table:
    columns = ", ".join(contract.column_names)
    query = f"select {columns} from marked where reason = '' and not is_duplicate order by row"
    return _arrow(connection, query).cast(schema(contract))


def _quarantined(connection: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Table:
    columns = ", ".join(f"cast({name} as varchar) as {name}" for name in contract.column_names)
    query = f"select row, reason, origin, original, {columns} from marked where reason <> '' order by row"
    return _arrow(connection, query).cast(quarantine_schema(contract))


def _arrow(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.sql(query).to_arrow_table()


def _violations(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, int]:
    kept_no_rule = "from marked where reason <> '' and fault is null"
    broken = f"select unnest(string_split(reason, '; ')) as rule {kept_no_rule}"
    chosen = (
        f"select unnest(list_distinct(regexp_extract_all(fault, '{DECLARED}', 1))) as rule from marked "
        "where reason <> ''"
    )
    # What is neither declared nor named otherwise could not be read, whatever words say so.
    unreadable = (
        f"fault is not null and reason <> '' and ({_says('(?:^|; )unreadable: ')} or not {_says(DECLARED)})"
    )
    counts = _counted(connection, broken)
    names = [*(rule.name for rule in row_rules(contract)), f"{contract.key}_conflict"]
    return (
        {name: counts.get(name, 0) for name in names}
        | {UNREADABLE: _count(connection, unreadable)}
        | {f"declared: {name}": rows for name, rows in sorted(_counted(connection, chosen).items())}
    )


def _counted(connection: duckdb.DuckDBPyConnection, rules: str) -> dict[str, int]:
    return dict(connection.execute(f"select rule, count(*) from ({rules}) group by rule").fetchall())


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    found = connection.execute(f"select count(*) from marked where {condition}").fetchone()
    return int(found[0]) if found else 0
