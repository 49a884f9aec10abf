"""The CSV file in which a person mends quarantined rows: writing it, and reading it back."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines.contracts import CONTRACTS
from pipelines.contracts.arrow import schema_with_provenance
from pipelines.contracts.declaration import Column, Contract
from pipelines.tables import StorageError, write_whole

NAMES = ("batch_id", "row")
TOLD = ("reason", "origin", "original")
LEARNED = "ingested_at"


class MendingError(Exception):
    """A file of mended rows cannot be used; the message names file, row, column and the remedy."""


@dataclass(frozen=True)
class Mended:
    """A file of mended rows.

    Attributes:
        file: Where it is.
        rows: In the contract's schema and ``PROVENANCE``; a cell that is not of its type is a fault.
        batch_ids: Of each row, the batch from which it was quarantined.
        places: Of each row, its place in that batch.
    """

    file: Path
    rows: pa.Table
    batch_ids: list[str]
    places: list[int]


def mending_columns(contract: Contract) -> list[str]:
    """Columns of the file: what names the row, what is told of it, then the contract's."""
    return [*NAMES, *TOLD, *contract.column_names]


def write_mending(path: Path, rows: pa.Table, contract: Contract) -> None:
    """Write quarantined rows for mending.

    Raises:
        StorageError: The file cannot be written.
    """
    table = rows.select(mending_columns(contract))
    write_whole(path, lambda part: pacsv.write_csv(table, part))


def read_mending(path: Path, contract: Contract, learned_at: datetime) -> Mended:
    """Read mended rows.

    Args:
        path: A file of ``write_mending``, mended.
        contract: What its rows have to be.
        learned_at: Becomes every row's ``ingested_at``, whatever the file says: only now is it known like this.

    Raises:
        MendingError: The file has other columns, no row, or a row that names no quarantined one, or one twice.
        StorageError: It cannot be read.
    """
    text = _read_text(path, contract)
    _check_columns(path, text.column_names, contract)
    if text.num_rows == 0:
        raise MendingError(f"{path}: expected at least one mended row, found none; nothing was resubmitted")
    named = [_named(path, number, *cells) for number, cells in enumerate(_names(text), start=1)]
    _check_once(path, named)
    if LEARNED in contract.column_names:
        now = pa.array([learned_at.isoformat()] * text.num_rows, pa.string())
        text = text.set_column(text.column_names.index(LEARNED), LEARNED, now)
    return Mended(
        path, _typed(text, contract, path), [batch for batch, _ in named], [row for _, row in named]
    )


def _read_text(path: Path, contract: Contract) -> pa.Table:
    convert = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in mending_columns(contract)},
        null_values=[""],
        strings_can_be_null=True,
    )
    try:
        # One thread: only then does a complaint about a line say which.
        return pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        )
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error}); make it readable and resubmit it") from error
    except pa.ArrowException as error:
        raise MendingError(
            f"{path}: expected CSV in UTF-8 with commas and a header (row #1), found: {error}; correct the file and "
            "resubmit it; nothing was resubmitted"
        ) from error


def _check_columns(path: Path, found: list[str], contract: Contract) -> None:
    wanted = mending_columns(contract)
    faults = {
        "missing": [name for name in wanted if name not in found and name not in TOLD],
        "unknown": [name for name in found if name not in wanted],
        "repeated": [name for name, times in Counter(found).items() if times > 1],
    }
    said = [f"{word} column {', '.join(names)}" for word, names in faults.items() if names]
    if not said:
        return
    remedy = "correct the header"
    if len(found) == 1 and ";" in found[0]:
        said, remedy = ["expected commas between columns, found semicolons"], "save it with commas"
    if other := next(
        (name for name in CONTRACTS if set(found) >= set(mending_columns(CONTRACTS[name]))), None
    ):
        remedy = f"these are the columns of {other}: say --data-set {other}"
    raise MendingError(
        f"{path}: {'; '.join(said)}; expected the columns that `shoploop quarantine show --out` writes for "
        f"{contract.name}: {', '.join(wanted)}; {remedy}; nothing was resubmitted"
    )


def _names(text: pa.Table) -> list[tuple[str | None, str | None]]:
    return list(zip(text["batch_id"].to_pylist(), text["row"].to_pylist(), strict=True))


def _named(path: Path, number: int, batch_id: str | None, row: str | None) -> tuple[str, int]:
    if not batch_id:
        raise MendingError(
            f"{path}: row {number}, column batch_id: expected the batch of a quarantined row, found nothing; "
            "take it from `shoploop quarantine show --out`"
        )
    if row is None or not row.strip().isascii() or not row.strip().isdigit():
        raise MendingError(
            f"{path}: row {number}, column row: expected a row number, found {row!r}; take it from "
            "`shoploop quarantine show --out`"
        )
    return batch_id, int(row)


def _check_once(path: Path, named: list[tuple[str, int]]) -> None:
    first: dict[tuple[str, int], int] = {}
    for number, (batch_id, row) in enumerate(named, start=1):
        if (batch_id, row) in first:
            raise MendingError(
                f"{path}: row {number}: names row {row} of {batch_id}, as row {first[batch_id, row]} does; a "
                "quarantined row is mended once: leave one of them"
            )
        first[batch_id, row] = number


def _typed(text: pa.Table, contract: Contract, path: Path) -> pa.Table:
    """Cells in their types. A cell that cannot have its type is a fault of its row and holds up no other."""
    values = ", ".join(f"{_value(column)} as {column.name}" for column in contract.columns)
    faults = ", ".join(_fault(column) for column in contract.columns)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("cells", text.select([*NAMES, *contract.column_names]))
        found = connection.sql(
            f"""select {values}, nullif(concat_ws('; ', {faults}), '') as fault,
                $path || ', row ' || place || ' (row ' || trim("row") || ' of ' || batch_id || ')' as origin,
                cast(null as varchar) as original
            from (select *, row_number() over () as place from cells) order by place""",
            params={"path": str(path)},
        ).to_arrow_table()
    return found.cast(schema_with_provenance(contract))


def _value(column: Column) -> str:
    cell = f"trim({column.name})"
    if column.type == "string":
        return column.name
    if column.type == "float64":
        number = f"try_cast({cell} as double)"
        return f"case when isfinite({number}) then {number} end"
    if column.type == "bool":
        return f"case lower({cell}) when 'true' then true when 'false' then false end"
    moment = f"try_cast({cell} as timestamptz)"
    has_zone = rf"regexp_matches({cell}, '\d\d(?::?\d\d)*(?:\.\d+)? ?(?:Z|[+-]\d\d(?::?\d\d)?)$')"
    return f"case when {has_zone} and year({moment}) between 1 and 9999 then {moment} end"


def _fault(column: Column) -> str:
    expected = {
        "float64": "a number such as 2.50",
        "bool": "true or false",
        "timestamp": "a moment with its time zone such as 2017-01-31 18:30:00+00",
        "string": "text",
    }[column.type]
    # A doubled quote stands for one in SQL: what was found is put between quotes.
    words = f"'unreadable: {column.name}: expected {expected}, found ''' || {column.name} || ''''"
    return f"case when {column.name} is not null and ({_value(column)}) is null then {words} end"
