"""The reader of SQL databases: PostgreSQL, MySQL, MariaDB and SQLite, row by row from a cursor on the server."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import CursorResult

from pipelines.sources.declaration import DataSetMapping, SourceDeclaration, SourceError
from pipelines.sources.errors import masked
from pipelines.sources.readers.database_columns import TYPES, to_table
from pipelines.sources.readers.database_engines import Session, open_engine
from pipelines.sources.readers.pieces import Chunk, Piece, unreadable
from pipelines.sources.readers.text_files import with_faults
from pipelines.sources.readers.watermarks import MOST, Mark, Unseen

QUERY = re.compile(r"(?is)\s*(select|with)\b")
SHOWN_QUERY = 60  # characters of a SELECT that stand for it
DIGESTED_ROWS = 10_000
TROUBLES = (sa.exc.SQLAlchemyError, OSError)


class DatabaseReader:
    """Reads tables, or what a SELECT gives.

    A table with a watermark only grows: going on finds the new rows. One without is read as a whole in the order of
    its columns, and read once more beforehand to tell whether it changed.

    Args:
        source: Its declaration.
        checkout: Where the path of an SQLite file begins.

    Raises:
        SourceError: The location is no URL of such a database.
    """

    def __init__(self, source: SourceDeclaration, checkout: Path) -> None:
        self._source = source
        self._engine, self._url = open_engine(source, checkout)
        self._quote = self._engine.dialect.identifier_preparer.quote

    def pieces(self, data_set: DataSetMapping) -> list[Piece]:
        """The table or SELECT."""
        name = _name(data_set.from_)
        return [Piece(name, "" if data_set.watermark else self._fingerprint(data_set, name))]

    def read(self, data_set: DataSetMapping, piece: Piece, after: Any | None, rows: int) -> Iterator[Chunk]:
        """Its rows: those after a watermark, or all but those given before."""
        with self._connected(piece.name) as session:
            given = (
                self._read_growing(session, data_set, piece.name, after, rows)
                if data_set.watermark
                else self._read_whole(session, data_set, piece.name, after, rows)
            )
            yield from self._told(piece.name, given)

    def _read_growing(
        self, session: Session, data_set: DataSetMapping, name: str, after: Any | None, rows: int
    ) -> Iterator[Chunk]:
        mark, watermark = Mark.of(after), data_set.watermark or ""
        column = self._quote(watermark)
        found = self._run(session, data_set, f"where {column} is null", {}, rows)
        place = _place_of(found, watermark)
        yield from self._without_watermark(found, mark, watermark, name, rows)
        where = f"where {column} is not null" if mark.value is None else f"where {column} >= :value"
        values = {} if mark.value is None else {"value": mark.value}
        found = self._run(session, data_set, f"{where} order by {column}", values, rows)
        unseen, types = Unseen(mark.seen), self._types(found)
        for part in found.partitions(rows):
            if new := unseen(part):
                first = mark.row + 1
                mark.advance(new, place)
                yield Chunk(to_table(list(found.keys()), types, new), name, first, mark.position())
        if mark.row == 0:
            yield Chunk(to_table(list(found.keys()), types, []), name, 1, mark.position())

    def _without_watermark(
        self, found: CursorResult[Any], mark: Mark, watermark: str, name: str, rows: int
    ) -> Iterator[Chunk]:
        unseen, types = Unseen(mark.without), self._types(found)
        for part in found.partitions(rows):
            if new := unseen(part):
                first = mark.row + 1
                mark.advance_without(new)
                self._refuse_many(mark, watermark, name)
                table = to_table(list(found.keys()), types, new)
                reason = unreadable(watermark, "a watermark", "NULL")
                faults = pa.array([reason] * len(new), pa.string())
                yield Chunk(with_faults(table, faults), name, first, mark.position())

    def _refuse_many(self, mark: Mark, watermark: str, name: str) -> None:
        if len(mark.without) > MOST:
            raise SourceError(
                f"source {self._source.name}: {name}, column {watermark}: expected a watermark in every row, found "
                f"NULL in more than {MOST:,}; choose another `watermark`, or a SELECT with coalesce({watermark}, …)"
            )

    def _read_whole(
        self, session: Session, data_set: DataSetMapping, name: str, after: Any | None, rows: int
    ) -> Iterator[Chunk]:
        done = after["row"] if after else 0
        order = self._order(session, data_set)
        found, row = self._run(session, data_set, order, {}, rows), 0
        types = self._types(found)
        for part in found.partitions(rows):
            new = part[max(done - row, 0) :]
            row += len(part)
            if new:
                table = to_table(list(found.keys()), types, new)
                yield Chunk(table, name, row - len(new) + 1, {"row": row})
        if after is None and row == 0:
            yield Chunk(to_table(list(found.keys()), types, []), name, 1, {"row": 0})

    def _order(self, session: Session, data_set: DataSetMapping) -> str:
        """By every column, so that a second reading meets the rows in the same order."""
        found = self._run(session, data_set, "where 1 = 0", {}, 1)
        kinds, names = self._types(found), list(found.keys())
        found.all()
        by_text = self._engine.dialect.name == "postgresql"  # where some types (JSON) have no order
        return "order by " + ", ".join(
            f"cast({self._quote(column)} as text)" if by_text and kind == pa.string() else str(place)
            for place, (column, kind) in enumerate(zip(names, kinds, strict=True), start=1)
        )

    def _fingerprint(self, data_set: DataSetMapping, name: str) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for chunk in self.read(data_set, Piece(name, ""), None, DIGESTED_ROWS):
            digest.update(chunk.table.schema.serialize())
            for batch in chunk.table.combine_chunks().to_batches():
                digest.update(batch.serialize())
        return digest.hexdigest()

    def _run(
        self, session: Session, data_set: DataSetMapping, rest: str, values: dict[str, Any], rows: int
    ) -> CursorResult[Any]:
        query = f"select * from {self._subject(data_set.from_)} as source_rows {rest}"
        return session.run(query, values, rows)

    def _subject(self, written: str) -> str:
        if QUERY.match(written):
            # A colon of the SELECT's own is no parameter.
            return "(" + written.strip().rstrip(";").replace(":", "\\:") + "\n)"
        return ".".join(part if part[:1] in '"`' else self._quote(part) for part in written.split("."))

    def _types(self, found: CursorResult[Any]) -> list[pa.DataType]:
        return TYPES[self._engine.dialect.name](found.cursor)

    @contextmanager
    def _connected(self, name: str) -> Iterator[Session]:
        try:
            session = Session(self._engine.connect())
        except TROUBLES as error:
            raise SourceError(
                f"source {self._source.name}: {name}: no connection to {self._source.shown_location} "
                f"({self._words(error)}); correct `location`, or user and password in the environment"
            ) from None
        try:
            yield session
        finally:
            session.close()

    def _told(self, name: str, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        row = 0
        try:
            for chunk in chunks:
                row = chunk.first_row + chunk.table.num_rows - 1
                yield chunk
        except TROUBLES as error:
            source = f"source {self._source.name}: {name}"
            if row or getattr(error, "connection_invalidated", False):
                raise SourceError(
                    f"{source}: the connection was lost after row {row} ({self._words(error)}); what was read so far "
                    "is kept: repeat the command to go on from there"
                ) from None
            raise SourceError(
                f"{source}: it cannot be read ({self._words(error)}); correct `from` or `watermark`"
            ) from None

    def _words(self, error: BaseException) -> str:
        """What the server said, without the password."""
        said = str(getattr(error, "orig", None) or error)
        if self._url.password:
            said = said.replace(str(self._url.password), "***")
        return masked(" ".join(said.split()))


def _name(written: str) -> str:
    """A table by its name, a SELECT by its beginning and a digest: another SELECT is another piece."""
    if not QUERY.match(written):
        return written
    query = " ".join(written.split())
    digest = hashlib.blake2b(query.encode(), digest_size=4).hexdigest()
    return query if len(query) <= SHOWN_QUERY else f"{query[:SHOWN_QUERY]}… ({digest})"


def _place_of(found: CursorResult[Any], watermark: str) -> int:
    """Where the watermark is among the columns, in whatever case the database writes it."""
    names = [name.lower() for name in found.keys()]  # noqa: SIM118 - a result is no dictionary
    return names.index(watermark.lower())
