"""Sorting a batch's rows into accepted, quarantined and duplicate; nothing is dropped."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from pipelines.contracts.declaration import AS_OF, Contract, RowRule
from pipelines.contracts.rules import row_rules


@dataclass(frozen=True)
class Sifted:
    """Where the rows of a batch went.

    Attributes:
        accepted: Rows that keep every rule, in the contract's columns and order.
        quarantined: ``row`` (1-based place in the batch), ``reason`` (names of the broken rules, joined by
        "; "),
            then the contract's columns as text.
        duplicates: How many rows said again what an accepted row says.
        violations: Rows per broken rule; a row may break several.
    """

    accepted: pa.Table
    quarantined: pa.Table
    duplicates: int
    violations: dict[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """Rows in, accepted, quarantined and duplicate."""
        parts = {
            "accepted": self.accepted.num_rows,
            "quarantined": self.quarantined.num_rows,
            "duplicates": self.duplicates,
        }
        return {"rows_in": sum(parts.values()), **parts}


def sift(table: pa.Table, contract: Contract, as_of: datetime, known: pa.Table | None = None) -> Sifted:
    """Sift ``table``, which has the contract's schema.

    Args:
        table: The batch.
        contract: Its contract.
        as_of: The batch's present; later moments are in the future.
        known: Rows accepted before that share a key with this batch, in the contract's schema. None when
            a key that comes again replaces what was known.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("batch", table)
        connection.register("known", known if known is not None else table.slice(0, 0))
        _mark(connection, contract, as_of)
        return Sifted(
            accepted=_accepted(connection, contract, table),
            quarantined=_quarantined(connection, contract),
            duplicates=_count(connection, "from marked where reason = '' and is_duplicate"),
            violations=_violations(connection, contract),
        )


def _mark(connection: duckdb.DuckDBPyConnection, contract: Contract, as_of: datetime) -> None:
    """Number the rows, then give each its reason (empty when none) and say whether it is a duplicate."""
    reasons = ", ".join(_reason(rule, as_of) for rule in row_rules(contract))
    connection.execute("create temp table numbered as select row_number() over () as row, * from batch")
    connection.execute(
        f"create temp table judged as select *, concat_ws('; ', {reasons}) as row_reason from numbered"
    )
    connection.execute(f"create temp table repeated as {_repeated(contract)}")
    connection.execute(
        f"""create temp table marked as
        select judged.*,
            concat_ws('; ', nullif(row_reason, ''), case when conflict then '{contract.key}_conflict' end) as
            reason, coalesce(not conflict and (seen_before or judged.row > first_row), false) as is_duplicate
        from judged left join repeated on judged.{contract.key} = repeated.key and row_reason = ''"""
    )


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


def _accepted(connection: duckdb.DuckDBPyConnection, contract: Contract, table: pa.Table) -> pa.Table:
    columns = ", ".join(contract.column_names)
    query = f"select {columns} from marked where reason = '' and not is_duplicate order by row"
    return _arrow(connection, query).cast(table.schema)


def _quarantined(connection: duckdb.DuckDBPyConnection, contract: Contract) -> pa.Table:
    columns = ", ".join(f"cast({name} as varchar) as {name}" for name in contract.column_names)
    return _arrow(connection, f"select row, reason, {columns} from marked where reason <> '' order by row")


def _arrow(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.sql(query).to_arrow_table()


def _violations(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, int]:
    rules = "select unnest(string_split(reason, '; ')) as rule from marked where reason <> ''"
    query = f"select rule, count(*) from ({rules}) group by rule"
    broken: dict[str, int] = dict(connection.execute(query).fetchall())
    names = [*(rule.name for rule in row_rules(contract)), f"{contract.key}_conflict"]
    return {name: broken.get(name, 0) for name in names}


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(f"select count(*) {query}").fetchone()
    return int(found[0]) if found else 0
