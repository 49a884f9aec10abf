"""Arrow side of a contract: its schema, and bringing a table to it."""

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts.declaration import Column, Contract, ContractError
from pipelines.tables import KEPT_METADATA

ARROW_TYPES = {
    "string": pa.string(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
# Text columns that a row may carry on its way from a source to the sieve, beside the contract's own: why it cannot
# be used, where it came from, and what its source said. Each is null where there is nothing to say.
PROVENANCE = ("fault", "origin", "original")
STAMP_NAME, STAMP_VERSION = f"{KEPT_METADATA}contract", f"{KEPT_METADATA}version"


def schema(contract: Contract) -> pa.Schema:
    """The Arrow schema of a contract; nullability is a row rule, so that a bad row can be held and shown.

    Its metadata say under which version of which contract a table was made; ``write_table`` keeps them, so that a
    file read years later can be brought to the version of that day.
    """
    stamp = {STAMP_NAME: contract.name, STAMP_VERSION: str(contract.version)}
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in contract.columns], stamp)


def schema_with_provenance(contract: Contract) -> pa.Schema:
    """The schema of a contract, and after it ``PROVENANCE``."""
    return pa.schema([*schema(contract), *((name, pa.string()) for name in PROVENANCE)])


def without_provenance(table: pa.Table) -> pa.Table:
    """``table`` without any of ``PROVENANCE``."""
    return table.drop_columns([name for name in PROVENANCE if name in table.column_names])


def conform(table: pa.Table, contract: Contract, file: str, text: bool = False) -> pa.Table:
    """Bring ``table`` to the contract's columns and types.

    Args:
        table: As it was read.
        contract: What it has to be.
        file: Named in errors.
        text: Whether cells may be text to be parsed (CSV), or must have their type already (Parquet).

    Returns:
        The contract's columns in order; after them all of ``PROVENANCE`` where ``table`` has any of it.

    Raises:
        ContractError: A column is missing or unknown, or a value is not of its type.
    """
    _check_columns(table, contract, file)
    bare = without_provenance(table)
    arrays = [_conform_column(bare, column, file, text) for column in contract.columns]
    conformed = pa.table(arrays, schema=schema(contract))
    if bare.num_columns == table.num_columns:
        return conformed
    for name in PROVENANCE:
        said = (
            table[name].cast(pa.string()) if name in table.column_names else pa.nulls(len(table), pa.string())
        )
        conformed = conformed.append_column(name, said)
    return conformed


def _check_columns(table: pa.Table, contract: Contract, file: str) -> None:
    required = {column.name for column in contract.columns if not column.nullable}
    missing = sorted(required - set(table.column_names))
    unknown = sorted(set(table.column_names) - set(contract.column_names) - set(PROVENANCE))
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if missing or unknown or twice:
        faults = [f"{word} {', '.join(names)}" for word, names in _named(missing, unknown, twice) if names]
        raise ContractError(
            f"{file}: {'; '.join(faults)}; expected the columns of {contract.name}: "
            f"{', '.join(contract.column_names)}; found: {', '.join(table.column_names) or 'none'}; correct "
            f"the file (docs/datasets/{contract.name}.md describes each column) and land it again"
        )


def _named(missing: list[str], unknown: list[str], twice: list[str]) -> list[tuple[str, list[str]]]:
    return [("missing column", missing), ("unknown column", unknown), ("repeated column", twice)]


def _conform_column(table: pa.Table, column: Column, file: str, text: bool) -> pa.ChunkedArray:
    wanted = ARROW_TYPES[column.type]
    if column.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, wanted)])
    values = table.column(column.name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_null(values.type):
        return values.cast(wanted)
    if not _may_become(values.type, column, text):
        raise ContractError(
            f"{file}: column {column.name}: expected {_words(column)}, found "
            f"{values.type}{_first_value(values)}; convert the column and land the file again"
        )
    return _missing_is_null(_cast(values, wanted, column, file))


def _may_become(found: pa.DataType, column: Column, text: bool) -> bool:
    is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
    if is_text and (text or column.type == "string"):
        return True
    if column.type == "float64":
        return bool(pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found))
    if column.type == "timestamp":
        # A moment without a zone could be any of 24 hours: it is refused rather than guessed.
        return bool(pa.types.is_timestamp(found) and found.tz is not None)
    return column.type == "bool" and bool(pa.types.is_boolean(found))


def _words(column: Column) -> str:
    return "a timestamp with time zone (UTC)" if column.type == "timestamp" else f"{column.type}"


def _first_value(values: pa.ChunkedArray) -> str:
    filled = [value.as_py() for value in values.slice(0, 100) if value.is_valid]
    return f" (first value {filled[0]!r})" if filled else ""


def _cast(values: pa.ChunkedArray, wanted: pa.DataType, column: Column, file: str) -> pa.ChunkedArray:
    if pa.types.is_string(wanted) and values.type == wanted:
        return values
    try:
        return pc.cast(values, wanted, safe=not pa.types.is_timestamp(values.type))
    except pa.ArrowInvalid:
        row = _first_uncastable(values, wanted)
        raise ContractError(
            f"{file}: row {row + 1}, column {column.name}: expected {_words(column)}, found "
            f"{values[row].as_py()!r}; correct the value and land the file again"
        ) from None


def _first_uncastable(values: pa.ChunkedArray, wanted: pa.DataType) -> int:
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _casts(values.slice(low, middle - low), wanted) else (low, middle)
    return low


def _casts(values: pa.ChunkedArray, wanted: pa.DataType) -> bool:
    try:
        pc.cast(values, wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _missing_is_null(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Empty text and not-a-number are other spellings of a missing value."""
    if pa.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_string(values.type):
        return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
    return values
