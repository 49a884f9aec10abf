"""The head of a CSV file: its columns, and whether it is written as declared."""

import csv
import json
from dataclasses import dataclass

from pipelines.sources.readers.blocks import QuotedRecords
from pipelines.sources.readers.encodings import MARK, Transcoder
from pipelines.sources.readers.pieces import SHOWN, distinct
from pipelines.sources.readers.text_files import TextFile, read_start

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


@dataclass(frozen=True)
class Form:
    """How a CSV file is written.

    Attributes:
        delimiter: One letter of ASCII between cells.
        quote: One letter of ASCII around cells; empty where nothing is quoted.
        names: Columns of a file without a header; empty where the first row names them.
    """

    delimiter: str
    quote: str = '"'
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """What the head of a file says.

    Attributes:
        names: Its columns, each once.
        offset: Where the first row begins.
        carriage_returns: Whether lines end in carriage returns alone.
    """

    names: list[str]
    offset: int
    carriage_returns: bool


def read_header(file: TextFile, form: Form) -> Header:
    """Read the head of a file.

    Raises:
        SourceError: The file is empty, is not text, or has another delimiter than declared.
    """
    if len(form.delimiter.encode()) != 1:
        raise file.error(
            "", f"expected a delimiter of one letter, found {form.delimiter!r}; correct `delimiter`"
        )
    start = read_start(file)
    end = QuotedRecords(form.delimiter.encode(), form.quote.encode()).first_end(start.text + b"\n")
    if not end:
        raise file.error(
            ", header", "expected column names, found a quote that never closes; correct the file"
        )
    text = Transcoder(file.encoding)(start.text[:end])[0].decode().rstrip("\r\n")
    names = cells(text, form)
    _check_header(file, form, text, names, start.text[end:])
    if form.names:
        return Header(distinct(list(form.names)), start.offset, start.carriage_returns)
    offset = start.offset + min(end, len(start.text))
    return Header(distinct(names), offset, start.carriage_returns)


def cells(text: str, form: Form) -> list[str]:
    """The cells of one record, none where even that cannot be told."""
    try:
        return next(csv.reader([text], delimiter=form.delimiter, quotechar=form.quote or None), [])
    except csv.Error:
        return []


def _check_header(file: TextFile, form: Form, text: str, names: list[str], rest: bytes) -> None:
    shown = text.replace(MARK, "\ufffd")[:SHOWN]
    if MARK in text:
        raise file.error(", header", f"expected {file.encoding} text, found {shown!r}; correct `encoding`")
    if "\0" in text:
        raise file.error(
            ", header", "expected text, found binary data; correct `from`, `read_as` or `encoding`"
        )
    seems = _other_delimiter(text, rest) if len(names) == 1 and len(form.names) != 1 else None
    if seems:
        raise file.error(
            ", header",
            f"expected columns separated by {DELIMITERS.get(form.delimiter, repr(form.delimiter))}, found one "
            f"column {shown!r}; {DELIMITERS[seems]} seems right: set `delimiter: {json.dumps(seems)}`",
        )


def _other_delimiter(text: str, rest: bytes) -> str | None:
    """The delimiter that both the header and the first row have most of."""
    row = rest.lstrip(b"\r\n").split(b"\n", 1)[0].decode("utf-8", "replace")
    counts = {letter: text.count(letter) for letter in DELIMITERS}
    likely = {letter: count for letter, count in counts.items() if count and (not row or letter in row)}
    return max(likely, key=lambda letter: likely[letter], default=None)
