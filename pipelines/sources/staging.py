"""What a source has given so far, mapped to the contracts, on this machine's disk.

    <folder>/<data set>/<number>.parquet     mapped rows of one chunk, with where they came from
    <folder>/parts.json                      which part came from where; written after the part it names

Parts are numbered over all data sets in the order in which they were read, so that one number says how far a
landing went. A reading that was interrupted goes on after the last part written; a file whose content changed
is read anew, and once it was read to its end its parts replace the old ones. Only one chunk is in memory at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.tables import read_json, write_json, write_table


@dataclass(frozen=True)
class Part:
    """One chunk of mapped rows.

    Attributes:
        number: Its place in the order of reading, from 1.
        data_set: Which contract its rows are in.
        piece: What it was read from.
        rows: How many rows it holds.
        repeats: Rows left out of it because a later row of the same chunk has their key (``keep_last``).
        first_us: Earliest ``occurred_at``, microseconds since the epoch; None where no row has one.
        last_us: Latest one.
    """

    number: int
    data_set: str
    piece: str
    rows: int
    repeats: int = 0
    first_us: int | None = None
    last_us: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far one piece was read.

    Attributes:
        fingerprint: Of the content that was read.
        position: Where to go on; None before the first chunk.
        rows: Rows read so far.
        finished: Whether the end was reached; a piece that only grows never is.
        replaces: Parts of this piece up to this number are of an older content.
    """

    fingerprint: str
    position: Any = None
    rows: int = 0
    finished: bool = False
    replaces: int = 0

    def shows(self, part: "Part") -> bool:
        """Whether a part counts: of a content that is not read to its end only the one before it does."""
        return not self.fingerprint or (part.number > self.replaces) == self.finished


@dataclass
class _Book:
    parts: list[Part] = field(default_factory=list)
    pieces: dict[str, dict[str, Progress]] = field(default_factory=dict)
    last: int = 0


class Staging:
    """The staged parts of one source in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._book = _read_book(folder / "parts.json")

    @property
    def last(self) -> int:
        """Number of the last part ever written, 0 before any."""
        return self._book.last

    def parts_after(self, number: int) -> list[Part]:
        """Parts of all data sets that were read after part ``number``, in that order."""
        pieces = self._book.pieces
        parts = [part for part in self._book.parts if part.number > number]
        return [part for part in parts if pieces[part.data_set][part.piece].shows(part)]

    def parts(self, data_set: str) -> list[Part]:
        """All parts of one data set."""
        return [part for part in self.parts_after(0) if part.data_set == data_set]

    def grows(self, part: Part) -> bool:
        """Whether a part is of a piece that only grows, a table or a stream, whose rows may be read again."""
        return not self._book.pieces[part.data_set][part.piece].fingerprint

    def path(self, part: Part) -> Path:
        """Where the rows of a part are."""
        return self.folder / part.data_set / f"{part.number:06d}.parquet"

    def begin(self, data_set: str, piece: str, fingerprint: str) -> Progress:
        """Start a piece, or go on with it; parts of an older content stay until :meth:`finish`."""
        known = self._book.pieces.get(data_set, {}).get(piece)
        if known is not None and known.fingerprint == fingerprint:
            return known
        if known is not None and not known.finished:
            self._forget(data_set, piece, lambda part: part.number > known.replaces)
        fresh = Progress(fingerprint, replaces=self.last)
        self._note(data_set, piece, fresh)
        return fresh

    def add(self, data_set: str, piece: str, rows: pa.Table, position: Any, repeats: int = 0) -> Part:
        """Keep one chunk's mapped rows; a kill before the end leaves everything as it was.

        Args:
            data_set: Which contract they are in.
            piece: What they were read from; :meth:`begin` was called for it.
            rows: In the contract's schema with the columns of provenance.
            position: Where reading goes on after them.
            repeats: Rows of the chunk that were left out since a later one has their key.
        """
        part = Part(self._book.last + 1, data_set, piece, rows.num_rows, repeats, *_span(rows))
        write_table(self.path(part), rows)
        known = self._book.pieces[data_set][piece]
        self._book.last = part.number
        self._book.parts.append(part)
        read = known.rows + rows.num_rows + repeats
        self._note(data_set, piece, replace(known, position=position, rows=read))
        return part

    def finish(self, data_set: str, piece: str) -> None:
        """Note that a piece was read to its end; parts of an older content are forgotten."""
        known = self._book.pieces[data_set][piece]
        self._forget(data_set, piece, lambda part: part.number <= known.replaces)
        self._note(data_set, piece, replace(known, finished=True))

    def _forget(self, data_set: str, piece: str, old: Callable[[Part], bool]) -> None:
        self._book.parts = [
            part
            for part in self._book.parts
            if not (part.data_set == data_set and part.piece == piece and old(part))
        ]

    def _note(self, data_set: str, piece: str, progress: Progress) -> None:
        self._book.pieces.setdefault(data_set, {})[piece] = progress
        write_json(self.folder / "parts.json", _written(self._book))
        kept = {self.path(part) for part in self._book.parts}
        for stale in set((self.folder / data_set).glob("[0-9]*.parquet")) - kept:
            stale.unlink()


def _span(rows: pa.Table) -> Iterator[int | None]:
    if "occurred_at" not in rows.column_names:
        yield from (None, None)
        return
    edges = pc.min_max(rows["occurred_at"].cast(pa.int64())).as_py()
    yield from (edges["min"], edges["max"])


def _read_book(path: Path) -> _Book:
    if not path.exists():
        return _Book()
    raw = read_json(path)
    pieces = {
        data_set: {name: Progress(**said) for name, said in known.items()}
        for data_set, known in raw["pieces"].items()
    }
    return _Book([Part(**part) for part in raw["parts"]], pieces, raw["last"])


def _written(book: _Book) -> dict[str, Any]:
    pieces = {
        data_set: {name: asdict(progress) for name, progress in known.items()}
        for data_set, known in book.pieces.items()
    }
    return {"parts": [asdict(part) for part in book.parts], "pieces": pieces, "last": book.last}
