"""Long text files in blocks of whole records, so that memory stays flat and a place can be gone back to."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BLOCK_BYTES = 4 << 20
LINE_LIMIT = 64 << 20  # bytes of one record; a longer one is no table but some other file


class Bytes(Protocol):
    """A file opened for reading."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes."""
        ...


class LineTooLongError(Exception):
    """A record is longer than the limit."""


@dataclass(frozen=True)
class Block:
    """Whole records.

    Attributes:
        offset: Bytes before it.
        data: The records, with their line ends.
        torn: It is a single line that opens a quote which never closes.
    """

    offset: int
    data: bytes
    torn: bool = False


def split_blocks(stream: Bytes, offset: int, last_end: Callable[[bytes], int], limit: int) -> Iterator[Block]:
    """Cut a stream between records.

    Args:
        stream: Stands at ``offset``, which is the beginning of a record.
        offset: Counted from there.
        last_end: Where the last whole record of some bytes ends, 0 where none does.
        limit: Bytes that a record may have.

    Raises:
        LineTooLongError: A record is longer; no more than the limit was read of it.
    """
    data = b""
    while more := read_fully(stream, min(BLOCK_BYTES, limit)):
        data += more
        # What is read at once is within the limit, so that only the first record can be beyond it.
        while len(data) > limit and not last_end(data[:limit]):
            torn = _torn_line(data[:limit])
            yield Block(offset, torn, torn=True)
            offset, data = offset + len(torn), data[len(torn) :]
        if end := last_end(data):
            yield Block(offset, data[:end])
            offset, data = offset + end, data[end:]
    yield from _last_blocks(data, offset, last_end)


def _last_blocks(data: bytes, offset: int, last_end: Callable[[bytes], int]) -> Iterator[Block]:
    while data:
        closed = last_end(data + b"\n") > len(data)
        end = len(data) if closed else last_end(data)
        torn = not end
        if torn:
            end = data.find(b"\n") + 1 or len(data)
        yield Block(offset, data[:end], torn)
        offset, data = offset + end, data[end:]


def _torn_line(data: bytes) -> bytes:
    end = data.find(b"\n") + 1
    if not end:
        raise LineTooLongError
    return data[:end]


def read_fully(stream: Bytes, size: int) -> bytes:
    """``size`` bytes, fewer at the end only."""
    parts: list[bytes] = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def line_end(data: bytes) -> int:
    """End of the last line of files without quoting."""
    return data.rfind(b"\n") + 1


class CarriageReturns:
    """A file whose lines end in carriage returns alone (an old Mac's), with line feeds in their place."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        return self._stream.read(size).replace(b"\r", b"\n")


class QuotedRecords:
    """Finds where records end, when fields in quotes may hold line ends.

    Args:
        delimiter: Between fields, one byte.
        quote: Around fields, one byte; empty where the file quotes nothing.
    """

    def __init__(self, delimiter: bytes, quote: bytes) -> None:
        self._quote = quote
        self._before_opening = np.frombuffer(delimiter + quote + b"\r\n", np.uint8)
        self._record = _record_pattern(re.escape(delimiter), re.escape(quote))

    def first_end(self, data: bytes) -> int:
        """Where the first record ends; 0 when it does not."""
        found = self._record.match(data)
        return found.end() if found else 0

    def last_end(self, data: bytes) -> int:
        """Where the last whole record ends; 0 when none does."""
        if not self._quote or self._quote not in data:
            return line_end(data)
        bytes_ = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(bytes_ == self._quote[0])
        if not self._in_pairs(bytes_, quotes):
            return self._walk(data)
        ends = np.flatnonzero(bytes_ == ord("\n"))
        outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
        return int(outside[-1]) + 1 if len(outside) else 0

    def _in_pairs(self, data: np.ndarray, quotes: np.ndarray) -> bool:
        """Whether every other quote opens a field: then counting them tells what lies inside."""
        opening = quotes[::2]
        before = data[np.maximum(opening - 1, 0)]
        return bool(np.all((opening == 0) | np.isin(before, self._before_opening)))

    def _walk(self, data: bytes) -> int:
        """Record by record, for files with a quote amid a field (5" nails)."""
        end = 0
        while found := self._record.match(data, end):
            end = found.end()
        return end


def _record_pattern(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    plain = b"[^" + delimiter + b"\\r\\n]*+"
    if not quote:
        return re.compile(plain + b"(?:" + delimiter + plain + b")*+(?:\\r\\n?+|\\n)")
    quoted = quote + b"(?:[^" + quote + b"]++|" + quote * 2 + b")*+" + quote + plain
    field = b"(?:" + quoted + b"|(?!" + quote + b")" + plain + b")"
    return re.compile(field + b"(?:" + delimiter + field + b")*+(?:\\r\\n?+|\\n)")
