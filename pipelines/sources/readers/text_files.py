"""What CSV and JSONL have in common: blocks of records, each made a table, cut into chunks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sources.declaration import SourceError
from pipelines.sources.readers.blocks import (
    BLOCK_BYTES,
    Bytes,
    LineTooLongError,
    read_fully,
    split_blocks,
)
from pipelines.sources.readers.encodings import BOM, MARK, UTF16_BOMS, Transcoder
from pipelines.sources.readers.pieces import FAULT, SHOWN, Chunk, unreadable

UNDECODABLE = "\ufffd"


@dataclass(frozen=True)
class TextFile:
    """A text file and how to read it.

    Attributes:
        source: Name of the source, for errors.
        name: Path below the location.
        open_at: Opens it at an offset.
        encoding: As declared.
        line_limit: Bytes that a record may have.
    """

    source: str
    name: str
    open_at: Callable[[int], AbstractContextManager[Bytes]]
    encoding: str
    line_limit: int

    def error(self, where: str, message: str) -> SourceError:
        """An error that names this file."""
        return SourceError(f"source {self.source}: {self.name}{where}: {message}")

    def too_long(self, row: int) -> SourceError:
        """The error of a record beyond the limit."""
        limit = f"{self.line_limit >> 20} MiB" if self.line_limit >> 20 else f"{self.line_limit} bytes"
        return self.error(
            f", row {row}",
            f"expected a line of at most {limit}, found a longer one; is this a text file with one row a line, "
            "and are its `encoding` and quotes as declared?",
        )


@dataclass(frozen=True)
class Start:
    """The beginning of a file.

    Attributes:
        offset: Bytes of a byte-order mark and blank lines before the first line.
        text: From there on; the first line is whole.
        carriage_returns: Whether lines end in carriage returns alone, as an old Mac wrote them; ``text`` has line
            feeds in their place.
    """

    offset: int
    text: bytes
    carriage_returns: bool

    @property
    def first_line(self) -> bytes:
        """Without its end."""
        return self.text.split(b"\n", 1)[0].rstrip(b"\r")


def read_start(file: TextFile) -> Start:
    """Read the beginning of a file.

    Raises:
        SourceError: There is nothing but blank lines, it is UTF-16 and not declared so, or the first line is too
            long.
    """
    head = _head(file)
    if head.startswith(UTF16_BOMS):
        raise file.error("", f"expected {file.encoding} text, found UTF-16; set `encoding: utf-16`")
    returns = b"\n" not in head and b"\r" in head
    head = head.replace(b"\r", b"\n") if returns else head
    text = head[len(BOM) if head.startswith(BOM) else 0 :].lstrip(b"\r\n")
    if not text:
        raise file.error("", "expected rows, found an empty file; export it again, or take it away")
    return Start(len(head) - len(text), text, returns)


def _head(file: TextFile) -> bytes:
    with file.open_at(0) as stream:
        head = b""
        while more := read_fully(stream, BLOCK_BYTES):
            head += more
            if b"\n" in head.lstrip(BOM + b"\r\n"):
                return head
            if len(head) > file.line_limit:
                # Without a line feed it may be an old Mac's file.
                if b"\r" in head.strip(b"\r"):
                    return head
                raise file.too_long(1)
        return head


def read_blocks(
    file: TextFile,
    last_end: Callable[[bytes], int],
    parse: Callable[[bytes, bool], pa.Table],
    start: dict[str, int],
    rows: int,
) -> Iterator[Chunk]:
    """Chunks from a position on.

    Args:
        file: The file.
        last_end: Where the last whole record of some bytes ends.
        parse: Makes the table of some records in UTF-8, told whether they are a line with a quote that never closes.
        start: A position: ``offset`` of a record, its ``row``, and how many rows from there are dealt with.
        rows: The most that a chunk may hold.

    Raises:
        SourceError: A record is too long, or the file cannot be read on.
    """
    row, skip, transcode = start["row"], start["skip"], Transcoder(file.encoding)
    with file.open_at(start["offset"]) as stream:
        try:
            for block in split_blocks(stream, start["offset"], last_end, file.line_limit):
                text, marked = transcode(block.data)
                table = parse(text, block.torn)
                table = tell_marks(table, file.encoding) if marked else table
                yield from _chunks(file.name, block.offset, table, row, skip, rows)
                row, skip = row + table.num_rows, max(skip - table.num_rows, 0)
        except LineTooLongError:
            raise file.too_long(row) from None


def _chunks(name: str, offset: int, table: pa.Table, row: int, skip: int, rows: int) -> Iterator[Chunk]:
    for first in range(skip, table.num_rows, rows):
        part = table.slice(first, rows)
        position = {"offset": offset, "row": row, "skip": first + part.num_rows}
        yield Chunk(part, name, row + first, position)


def position_of(after: Any | None, offset: int) -> dict[str, int]:
    """The position to start from: ``after``, else the first row at ``offset``."""
    return {"offset": offset, "row": 1, "skip": 0} if after is None else dict(after)


def with_faults(table: pa.Table, faults: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Add reasons to rows, after those that they have already."""
    if FAULT not in table.column_names:
        return table.append_column(FAULT, faults)
    place = table.column_names.index(FAULT)
    known = table.column(place)
    # Not `null_handling="skip"`: with it pyarrow 25 leaves out the rows in which both are null.
    joined = pc.coalesce(pc.binary_join_element_wise(known, faults, "; "), known, faults)
    return table.set_column(place, FAULT, joined)


def tell_marks(table: pa.Table, encoding: str) -> pa.Table:
    """``table`` with a fault in every row that has a cell with bytes of another encoding."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        is_bad = pc.fill_null(pc.match_substring(column, MARK), False)
        if not pc.any(is_bad).as_py():
            continue
        shown = pc.replace_substring(column, MARK, UNDECODABLE)
        table = table.set_column(place, name, shown)
        if name != FAULT:
            reasons = [
                unreadable(name, f"{encoding} text (set `encoding`)", value[:SHOWN]) if bad else None
                for bad, value in zip(is_bad.to_pylist(), shown.to_pylist(), strict=True)
            ]
            table = with_faults(table, pa.array(reasons, pa.string()))
    return table
