"""Cells of a database as text, and the Arrow type that a column keeps in every chunk."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pymysql.constants import FIELD_TYPE

from pipelines.sources.readers.pieces import FAULT, distinct, unreadable

MOMENT, LOCAL_MOMENT = pa.timestamp("us", "UTC"), pa.timestamp("us")
WORDS = {
    pa.int64(): "an integer of 64 bits",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
    pa.date32(): "a date from 0001 to 9999",
    MOMENT: "a moment from 0001 to 9999",
    LOCAL_MOMENT: "a moment from 0001 to 9999",
    pa.binary(): "bytes",
}
MOST_DIGITS = 38  # of a decimal in Arrow; columns with more stay text
POSTGRESQL = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    26: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: LOCAL_MOMENT,
    1184: MOMENT,
}
POSTGRESQL_NUMERIC = 1700
MYSQL = {
    FIELD_TYPE.TINY: pa.int64(),
    FIELD_TYPE.SHORT: pa.int64(),
    FIELD_TYPE.LONG: pa.int64(),
    FIELD_TYPE.LONGLONG: pa.int64(),
    FIELD_TYPE.INT24: pa.int64(),
    FIELD_TYPE.YEAR: pa.int64(),
    FIELD_TYPE.FLOAT: pa.float64(),
    FIELD_TYPE.DOUBLE: pa.float64(),
    FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.DATETIME: LOCAL_MOMENT,
    FIELD_TYPE.TIMESTAMP: MOMENT,  # the session's zone is UTC
}
MYSQL_BYTES = 63  # the character set of columns that are bytes

Cell = str | int | float | bytes | None


def postgresql_types(cursor: Any) -> list[pa.DataType]:
    """Types of the columns of a psycopg cursor; whatever Arrow has no fitting type for is text."""
    return [
        _decimal(column.precision, column.scale)
        if column.type_code == POSTGRESQL_NUMERIC
        else POSTGRESQL.get(column.type_code, pa.string())
        for column in cursor.description
    ]


def mysql_types(cursor: Any) -> list[pa.DataType]:
    """Types of the columns of a pymysql cursor."""
    fields = cursor._result.fields  # the description does not tell bytes from text
    return [_mysql_type(field) for field in fields]


def _mysql_type(field: Any) -> pa.DataType:
    if field.type_code in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        return _decimal(field.length, field.scale)
    is_bytes = field.charsetnr == MYSQL_BYTES and field.type_code >= FIELD_TYPE.TINY_BLOB
    is_bytes = is_bytes or field.type_code == FIELD_TYPE.BIT
    return pa.binary() if is_bytes else MYSQL.get(field.type_code, pa.string())


def sqlite_types(cursor: Any) -> list[pa.DataType]:
    """Text for all: in SQLite each cell has its own type."""
    return [pa.string()] * len(cursor.description)


def _decimal(digits: int | None, scale: int | None) -> pa.DataType:
    is_known = digits is not None and scale is not None and 0 < digits <= MOST_DIGITS and 0 <= scale <= digits
    return pa.decimal128(digits, scale) if is_known else pa.string()


def to_table(names: Sequence[str], types: Sequence[pa.DataType], rows: Sequence[Sequence[Cell]]) -> pa.Table:
    """Rows as a table; a value that its column cannot hold (a date of the year 12024) is a fault of its row."""
    own = distinct(list(names))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(own)
    faults: dict[int, list[str]] = {}
    arrays = [
        _array(name, kind, cells, faults) for name, kind, cells in zip(own, types, columns, strict=True)
    ]
    if faults:
        reasons = ["; ".join(faults[row]) if row in faults else None for row in range(len(rows))]
        arrays.append(pa.array(reasons, pa.string()))
        own = [*own, FAULT]
    return pa.table(arrays, names=own)


def _array(name: str, kind: pa.DataType, cells: Sequence[Cell], faults: dict[int, list[str]]) -> pa.Array:
    if kind == pa.binary():
        return pa.array([_bytes(cell) for cell in cells], kind)
    texts = _texts(cells)
    if kind == pa.string():
        return texts
    try:
        return _cast(texts, kind)
    except pa.ArrowInvalid:
        return _cast_one_by_one(name, kind, texts.to_pylist(), faults)


def _texts(cells: Sequence[Cell]) -> pa.Array:
    # PostgreSQL and MySQL give text only; the set is far quicker than looking at every cell in turn.
    if set(map(type, cells)) <= {str, type(None)}:
        return pa.array(cells, pa.string())
    return pa.array([as_text(cell) for cell in cells], pa.string())


def _cast_one_by_one(
    name: str, kind: pa.DataType, texts: list[str | None], faults: dict[int, list[str]]
) -> pa.Array:
    good = list(texts)
    for row, text in enumerate(texts):
        try:
            _cast(pa.array([text], pa.string()), kind)
        except pa.ArrowInvalid:
            faults.setdefault(row, []).append(
                unreadable(name, WORDS.get(kind, "a decimal number"), str(text))
            )
            good[row] = None
    return _cast(pa.array(good, pa.string()), kind)


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    if kind == pa.bool_():
        return pc.equal(texts, "t")
    if kind == MOMENT:
        # MySQL writes no zone: the session's is UTC.
        has_zone = pc.match_substring_regex(texts, r":\d\d(\.\d+)?[+-]\d\d")
        texts = pc.if_else(has_zone, texts, pc.binary_join_element_wise(texts, "+00", ""))
    return texts.cast(kind)


def as_text(cell: Cell) -> str | None:
    """A cell as text: bytes that are no text in hexadecimal digits."""
    if cell is None or isinstance(cell, str):
        return cell
    return cell.hex() if isinstance(cell, bytes) else str(cell)


def _bytes(cell: Cell) -> bytes | None:
    if isinstance(cell, str):  # PostgreSQL's \x0001
        return bytes.fromhex(cell.removeprefix("\\x"))
    return cell if isinstance(cell, bytes) else None


TYPES: dict[str, Callable[[Any], list[pa.DataType]]] = {
    "postgresql": postgresql_types,
    "mysql": mysql_types,
    "sqlite": sqlite_types,
}
