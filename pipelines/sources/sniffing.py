"""What lies at a location: which files or tables, how they are written, and a few of their rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from pipelines.sources.declaration import DataSetMapping, SourceDeclaration
from pipelines.sources.errors import SourceError, masked
from pipelines.sources.readers import Reader, open_reader
from pipelines.sources.readers.database_engines import open_engine

SAMPLE_ROWS = 5_000
DELIMITERS = (",", ";", "\t", "|")
READABLE = re.compile(r"\.(csv|tsv|txt|jsonl|ndjson|json|parquet|pq)(\.gz)?$", re.IGNORECASE)
IS_TEXT = re.compile(r"\.(csv|tsv|txt)(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """Files of one kind, or a table.

    Attributes:
        from_: What ``from`` has to say to mean them.
        encoding: Of text files.
        delimiter: Of text files.
        rows: The first rows.
    """

    from_: str
    encoding: str
    delimiter: str
    rows: pa.Table


def kind_of(location: str) -> str:
    """The kind that a location looks like."""
    if re.match(r"(?i)(postgresql|mysql|mariadb|sqlite)\b[^:]*:", location):
        return "database"
    return "stream" if re.match(r"(?i)https?://", location) else "files"


def sniff(source: SourceDeclaration, checkout: Path, wanted: str | None) -> list[Found]:
    """The files or tables of a source, a few rows of each.

    Args:
        source: Where it is; its data sets do not matter.
        checkout: Where relative locations begin.
        wanted: Only this ``from``, instead of everything that is there.

    Raises:
        SourceError: Nothing is there, or nothing of it can be read.
    """
    reader = open_reader(source, checkout)
    origins = [wanted] if wanted else list(_origins(source, reader, checkout))
    found = [one for origin in origins if (one := _best(reader, origin))]
    if not found:
        there = ", ".join(origins) or "nothing"
        raise SourceError(
            f"source {source.name}: expected files or tables that can be read at {source.shown_location}, found "
            f"{there}; correct --location or --from"
        )
    return found


def _origins(source: SourceDeclaration, reader: Reader, checkout: Path) -> Iterator[str]:
    if source.kind == "database":
        yield from _tables(source, checkout)
        return
    if source.kind == "stream":
        yield "/v1/events"
        return
    names = [
        piece.name for piece in reader.pieces(DataSetMapping.model_validate({"from": "**", "columns": {}}))
    ]
    # orders-2024-01.csv and orders-2024-02.csv are one thing: what differs in digits goes together.
    groups = {re.sub(r"\d+(?:[-_.]\d+)*", "*", name): name for name in names if READABLE.search(name)}
    for pattern, name in groups.items():
        alone = sum(re.sub(r"\d+(?:[-_.]\d+)*", "*", other) == pattern for other in names) == 1
        yield name if alone else pattern


def _tables(source: SourceDeclaration, checkout: Path) -> list[str]:
    engine, url = open_engine(source, checkout)
    try:
        return sorted(sa.inspect(engine).get_table_names())
    except (sa.exc.SQLAlchemyError, OSError) as error:
        why = masked(str(error).splitlines()[0])
        if url.password:
            why = why.replace(url.password, "***")
        raise SourceError(
            f"source {source.name}: the database at {source.shown_location} cannot be read ({why}); correct the "
            "location, or the credentials in the environment"
        ) from None


def _best(reader: Reader, origin: str) -> Found | None:
    """The reading that gives most columns, of those without unreadable rows if there is one."""
    tried = [one for mapping in _ways(origin) if (one := _read(reader, mapping))]
    return max(tried, key=lambda one: one[0])[1] if tried else None


def _ways(origin: str) -> Iterator[DataSetMapping]:
    for encoding in ("utf-8", "mixed") if IS_TEXT.search(origin) else ("utf-8",):
        for delimiter in DELIMITERS if IS_TEXT.search(origin) else (",",):
            written: dict[str, object] = {
                "from": origin,
                "encoding": encoding,
                "delimiter": delimiter,
                "columns": {},
            }
            yield DataSetMapping.model_validate(written)


def _read(reader: Reader, mapping: DataSetMapping) -> tuple[tuple[int, int, int], Found] | None:
    """The beginnings of the first and the last piece: a change of encoding or format often comes in between."""
    try:
        pieces = reader.pieces(mapping)
        chosen = pieces[:: len(pieces) - 1 or 1]
        tables = [next(iter(reader.read(mapping, piece, None, SAMPLE_ROWS))).table for piece in chosen]
    except (SourceError, StopIteration):
        return None
    faulty = sum(len(table["fault"].drop_null()) for table in tables if "fault" in table.column_names)
    own = [table.drop_columns(["fault"]) if "fault" in table.column_names else table for table in tables]
    rows = pa.concat_tables(own, promote_options="permissive")
    # Of readings alike the plainest: fewest faults, most columns, UTF-8 before a mixture.
    rank = (-faulty, rows.num_columns, mapping.encoding == "utf-8")
    return rank, Found(mapping.from_, mapping.encoding, mapping.delimiter, rows)
