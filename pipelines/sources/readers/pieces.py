"""What every reader gives: pieces, and chunks of rows from them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from pipelines.contracts.arrow import PROVENANCE
from pipelines.sources.declaration import DataSetMapping

FAULT = PROVENANCE[0]
WHOLE_ROW = "whole row"  # in place of a column, where a row could not be cut into cells
SHOWN = 200  # characters of a value that a message quotes
SHOWN_ROW = 4_000  # of a row that could not be cut into cells: the fault is all that keeps it


@dataclass(frozen=True)
class Piece:
    """What is read separately and can be gone on with: one file, one table, one stream.

    Attributes:
        name: Path of the file below the location, name of the table, or path of the stream's URL.
        fingerprint: Changes when the content does; empty where the piece only grows.
    """

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a piece.

    Attributes:
        table: The source's own columns: text from CSV and JSONL, typed from Parquet and databases. Where rows
            could not be read a text column ``fault`` says why, and their other cells hold what could be read.
        origin: The piece, for people.
        first_row: Number of the first row in the piece, from 1.
        position: Can be kept as JSON; given to ``read`` it goes on after this chunk.
    """

    table: pa.Table
    origin: str
    first_row: int
    position: Any


class Reader(Protocol):
    """Reads one source."""

    def pieces(self, data_set: DataSetMapping) -> list[Piece]:
        """What there is to read, in a fixed order.

        Raises:
            SourceError: There is nothing, or it cannot be reached.
        """
        ...

    def read(self, data_set: DataSetMapping, piece: Piece, after: Any | None, rows: int) -> Iterator[Chunk]:
        """Read a piece, the first time from its beginning.

        A piece without rows gives one chunk of none, so that its columns are known.

        Args:
            data_set: How the piece is written.
            piece: One of ``pieces``.
            after: Position of the last chunk that was dealt with.
            rows: The most that a chunk may hold.

        Raises:
            SourceError: It cannot be read on; the chunks given so far are good.
        """
        ...


def unreadable(column: str, expected: str, found: str) -> str:
    """A reason why a row cannot be read, as the quarantine shows it."""
    # Reasons are joined by "; ", so a quoted value must not hold that.
    most = SHOWN_ROW if column == WHOLE_ROW else SHOWN
    shown = re.sub("; +", ";", found[:most] + "…" if len(found) > most else found)
    return f"unreadable: {column}: expected {expected}, found '{shown}'"


def distinct(names: list[str]) -> list[str]:
    """Column names without repetition: a second ``price`` becomes ``price_2``, a nameless one ``column_3``.

    A column that happens to be called ``fault`` becomes ``fault_2``: that name is taken.
    """
    taken, chosen = {FAULT}, []
    for place, name in enumerate(names, start=1):
        base = name or f"column_{place}"
        candidate, count = base, 1
        while candidate in taken or (candidate != base and candidate in names):
            count += 1
            candidate = f"{base}_{count}"
        taken.add(candidate)
        chosen.append(candidate)
    return chosen
