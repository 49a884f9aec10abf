"""Sample rows of a contract, for tests and for its page."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.contracts.arrow import schema
from pipelines.contracts.declaration import Contract


def sample_rows(
    contract: Contract, count: int = 1, changes: Mapping[int, Mapping[str, Any]] | None = None
) -> pa.Table:
    """Rows that keep every rule of ``contract``.

    Args:
        contract: Whose rows.
        count: How many; keys are distinct.
        changes: Values to put instead, by row (from 0) and column: a way to make one bad row.
    """
    rows = [_row(contract, number) | dict((changes or {}).get(number, {})) for number in range(count)]
    return pa.Table.from_pylist(rows, schema(contract))


def _row(contract: Contract, number: int) -> dict[str, Any]:
    row = {column.name: column.sample for column in contract.columns}
    if number:
        row[contract.key] = f"{row[contract.key]}-{number}"
    return row
