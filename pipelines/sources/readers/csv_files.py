"""CSV: every cell as text, bad rows kept with their fault, line ends in quotes, any common encoding."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from pipelines.sources.readers.blocks import Bytes, CarriageReturns, QuotedRecords
from pipelines.sources.readers.csv_header import Form, cells, read_header
from pipelines.sources.readers.pieces import FAULT, WHOLE_ROW, Chunk, unreadable
from pipelines.sources.readers.text_files import TextFile, position_of, read_blocks


def read_csv(file: TextFile, form: Form, after: Any | None, rows: int) -> Iterator[Chunk]:
    """Rows of a CSV file.

    Args:
        file: The file.
        form: How it is written.
        after: Position of the last chunk dealt with.
        rows: The most that a chunk may hold.

    Raises:
        SourceError: It is empty, has another delimiter, or cannot be read on.
    """
    header = read_header(file, form)
    parser = _Parser(header.names, form)
    records = QuotedRecords(form.delimiter.encode(), form.quote.encode())
    text = replace(file, open_at=_line_feeds(file)) if header.carriage_returns else file
    start = position_of(after, header.offset)
    is_first = after is None
    for chunk in read_blocks(text, records.last_end, parser.parse, start, rows):
        is_first = False
        yield chunk
    if is_first:
        yield Chunk(parser.empty, file.name, 1, start)


def _line_feeds(file: TextFile) -> Any:
    @contextmanager
    def open_at(offset: int) -> Iterator[Bytes]:
        with file.open_at(offset) as stream:
            yield CarriageReturns(stream)

    return open_at


class _Parser:
    """Makes tables of blocks."""

    def __init__(self, names: list[str], form: Form) -> None:
        self._names, self._form = names, form
        self.empty = pa.table({name: pa.array([], pa.string()) for name in names})
        self._types = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        )

    def parse(self, data: bytes, torn: bool) -> pa.Table:
        """The rows of some records, bad ones in their places."""
        if torn:
            return self._bad_rows([(data.decode().rstrip("\r\n"), "a quote that closes")])
        if not data.strip(b"\r\n"):
            return self.empty
        bad: list[pacsv.InvalidRow] = []
        table = self._read(data, bad)
        if not bad:
            return table
        faulty = self._bad_rows([(row.text, f"{row.expected_columns} cells") for row in bad])
        # A row's number counts good and bad ones: sorting by it puts the bad ones back where they were.
        return _in_places(table, faulty, [row.number - 1 for row in bad])

    def _read(self, data: bytes, bad: list[pacsv.InvalidRow]) -> pa.Table:
        def keep(row: pacsv.InvalidRow) -> str:
            bad.append(row)
            return "skip"

        # One thread: only then is the number of a bad row told.
        one_block = pacsv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._names)
        quote = self._form.quote or False
        parsing = pacsv.ParseOptions(
            delimiter=self._form.delimiter,
            quote_char=quote,
            newlines_in_values=bool(quote),
            invalid_row_handler=keep,
        )
        return pacsv.read_csv(pa.BufferReader(data), one_block, parsing, self._types)

    def _bad_rows(self, found: list[tuple[str, str]]) -> pa.Table:
        rows = [cells(text, self._form) for text, _ in found]
        columns = {
            name: pa.array([row[place] or None if place < len(row) else None for row in rows], pa.string())
            for place, name in enumerate(self._names)
        }
        reasons = [unreadable(WHOLE_ROW, expected, text) for text, expected in found]
        return pa.table({**columns, FAULT: pa.array(reasons, pa.string())})


def _in_places(good: pa.Table, bad: pa.Table, places: list[int]) -> pa.Table:
    together = pa.concat_tables([good, bad], promote_options="default")
    order = list(range(good.num_rows))
    for place, row in zip(places, range(good.num_rows, together.num_rows), strict=True):
        order.insert(place, row)
    return together.take(pa.array(order, pa.int64()))
