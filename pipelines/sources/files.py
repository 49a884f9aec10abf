"""A file in a contract's own columns: Parquet, or CSV with a header."""

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines.contracts.arrow import ARROW_TYPES, conform
from pipelines.contracts.declaration import Contract, ContractError
from pipelines.tables import StorageError, read_table


def read_file(path: Path, contract: Contract, learned_at: datetime) -> pa.Table:
    """Read a file and bring it to its contract.

    Args:
        path: A ``.parquet`` or ``.csv`` file.
        contract: What it has to be.
        learned_at: Becomes every event's ``ingested_at``, whatever the file says: a late row must not
            pretend that it was known before.

    Raises:
        ContractError: A column is missing, unknown or of another type, or there is no row.
        StorageError: The file cannot be read.
    """
    is_text = path.suffix.lower() == ".csv"
    table = _read_csv(path, contract) if is_text else _read_parquet(path)
    if "ingested_at" in contract.column_names:
        table = known_from(table, learned_at)
    if table.num_rows == 0:
        raise ContractError(
            f"{path}: expected at least one row of {contract.name}, found none; land it once it has rows"
        )
    return conform(table, contract, str(path), text=is_text)


def _read_parquet(path: Path) -> pa.Table:
    if path.suffix.lower() != ".parquet":
        raise StorageError(
            f"{path}: expected a .parquet or .csv file, found {path.suffix or 'no ending'}; rename or "
            "convert it"
        )
    return read_table(path)


def _read_csv(path: Path, contract: Contract) -> pa.Table:
    as_text = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in contract.column_names},
        null_values=[""],
        strings_can_be_null=True,
    )
    try:
        return pacsv.read_csv(path, convert_options=as_text)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{path}: expected CSV with a header, found: {error}; correct the file and land it again"
        ) from error


def known_from(table: pa.Table, moment: datetime) -> pa.Table:
    """``table`` with every row known from ``moment`` on, whatever it says itself."""
    if "ingested_at" in table.column_names:
        table = table.drop_columns(["ingested_at"])
    column = pa.array([moment] * table.num_rows, ARROW_TYPES["timestamp"])
    return table.append_column("ingested_at", column)
