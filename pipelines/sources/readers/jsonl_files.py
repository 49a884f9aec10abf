"""JSONL: one object a line; every value as text, nested ones as their JSON."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from pipelines.sources.readers.blocks import line_end
from pipelines.sources.readers.named_columns import with_columns
from pipelines.sources.readers.pieces import FAULT, WHOLE_ROW, Chunk, distinct, unreadable
from pipelines.sources.readers.text_files import TextFile, position_of, read_blocks, read_start

Row = dict[str, str | None]

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
_strings = msgspec.json.Decoder(str)


def read_jsonl(file: TextFile, names: list[str], after: Any | None, rows: int) -> Iterator[Chunk]:
    """Rows of a JSONL file; a chunk has the columns of all its rows, whichever row they come with first.

    Args:
        file: The file.
        names: Columns that every chunk has.
        after: Position of the last chunk dealt with.
        rows: The most that a chunk may hold.

    Raises:
        SourceError: It is empty, or cannot be read on.
    """
    start = read_start(file)
    if start.first_line.startswith(b"["):
        raise file.error(
            ", row 1", "expected one JSON object a line, found an array; write each element on its own line"
        )

    def parse(text: bytes, _: bool) -> pa.Table:
        found = to_table([parse_line(line) for line in text.split(b"\n") if line.strip()])
        return with_columns(found, names)

    yield from read_blocks(file, line_end, parse, position_of(after, start.offset), rows)


def to_table(found: list[Row | str]) -> pa.Table:
    """Columns of objects; in place of an object there may be the reason why there is none."""
    rows = [row if isinstance(row, dict) else {} for row in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [pa.array([row.get(name) for row in rows], pa.string()) for name in names]
    names = distinct(names)
    reasons = [None if isinstance(row, dict) else row for row in found]
    if any(reasons):
        columns, names = [*columns, pa.array(reasons, pa.string())], [*names, FAULT]
    return pa.table(columns, names=names)


def parse_line(line: bytes) -> Row | str:
    """The values of an object as text, or the reason why the line holds none."""
    try:
        return {name: _text(value) for name, value in _objects.decode(line).items()}
    except msgspec.DecodeError:
        return _lenient_row(line.decode().strip())


def _text(value: msgspec.Raw) -> str | None:
    written = bytes(value)
    if written[:1] == b'"':
        return _strings.decode(written)
    # Numbers stay as they are written: 1.10 is not 1.1, and an id may have 30 digits.
    return None if written == b"null" else written.decode()


def _lenient_row(line: str) -> Row | str:
    """What programs write though JSON has it not: NaN, Infinity, halves of surrogate pairs."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return unreadable(WHOLE_ROW, "a JSON object", line)
    return {_clean(name): _lenient_text(value) for name, value in found.items()}


def _lenient_text(value: Any) -> str | None:
    if value is None:
        return None
    return _clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _clean(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
