"""Reads session files: a line is a whole session, or what is known of one, a tab and the item that came next.

Items are integers separated by spaces, the oldest line comes first, and a name that ends in ``.gz`` is unpacked. A file
with tabs often lists every prefix of a session, the longest first; such lines are one session.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LARGEST = 10**18
LINE = "expected a session a line, or its items, a tab and the next item"


class SessionFileError(Exception):
    """A file cannot be used; the message names file, line, field and remedy."""


@dataclass(frozen=True)
class SessionFile:
    """Lines of one file, grouped by session.

    Attributes:
        rows: The items of each line, the one after the tab last.
        session: Which session each line belongs to, ascending from 0.
        asks_last_only: Whether lines hold a tab: only the last item of a line was asked for.
        path: Where it was read from.
        sha256: Of its content, unpacked.
    """

    rows: list[list[int]]
    session: list[int]
    asks_last_only: bool
    path: Path
    sha256: str

    @property
    def sessions(self) -> list[list[int]]:
        """Every session once, in its full length."""
        longest: dict[int, list[int]] = {}
        for number, row in zip(self.session, self.rows, strict=True):
            longest[number] = max(longest.get(number, []), row, key=len)
        return list(longest.values())


def read_sessions(path: Path) -> SessionFile:
    """Read and check one file.

    Raises:
        SessionFileError: It is missing, packed or encoded wrongly, empty, or a line is not of the form.
    """
    content = _content(path)
    lines = _text(path, content).rstrip("\n").split("\n")
    if lines == [""]:
        raise SessionFileError(f"{path}: {LINE}, found an empty file; give one with sessions")
    tabbed = next(("\t" in line for line in lines if line.strip()), False)
    rows = [_row(path, number, line, tabbed) for number, line in enumerate(lines, start=1)]
    session = list(_numbered(rows)) if tabbed else list(range(len(rows)))
    return SessionFile(rows, session, tabbed, path, hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SessionFileError(
            f"{path}: is named .gz but cannot be unpacked ({error}); pack it anew, or drop the .gz if it is plain"
        ) from error
    except OSError as error:
        raise SessionFileError(f"{path}: cannot be read ({error.strerror}); name a readable file") from error


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SessionFileError(
            f"{path}, line {line}: {LINE}, found bytes that are no UTF-8; save it as text, named .gz if packed"
        ) from error


def _row(path: Path, number: int, line: str, tabbed: bool) -> list[int]:
    where = f"{path}, line {number}"
    if not line.strip():
        raise SessionFileError(f"{where}: {LINE}, found an empty line; remove it")
    known, *rest = line.split("\t")
    if len(rest) != tabbed:
        found = f"{len(rest)} tabs" if len(rest) != 1 else "one tab"
        expected = "one tab, as in the first line" if tabbed else "none, as in the first line"
        raise SessionFileError(f"{where}: expected {expected}, found {found}; write all lines in one form")
    if not known.split():
        raise SessionFileError(
            f"{where}, field 1: expected items before the tab, found none; remove the line"
        )
    if tabbed and len(rest[0].split()) != 1:
        field = len(known.split()) + 1
        raise SessionFileError(
            f"{where}, field {field}: expected one item after the tab, found {rest[0]!r}; keep the next item only"
        )
    fields = [*known.split(), *rest[:1]]
    return [_item(where, place, field.strip()) for place, field in enumerate(fields, start=1)]


def _item(where: str, place: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) and int(text) <= LARGEST):
        raise SessionFileError(
            f"{where}, field {place}: expected an item as a whole number from 0 to {LARGEST}, found {text!r}; "
            "number the items"
        )
    return int(text)


def _numbered(rows: list[list[int]]) -> Iterator[int]:
    """A line that is its neighbour without the last item is of the same session."""
    number = 0
    for place, row in enumerate(rows):
        if place:
            before = rows[place - 1]
            number += row != before[:-1] and row[:-1] != before
        yield number
