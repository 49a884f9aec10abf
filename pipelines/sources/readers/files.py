"""The reader of folders: CSV, JSONL and Parquet files, on this machine or in an S3 bucket."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.sources.declaration import DataSetMapping, SourceDeclaration, SourceError
from pipelines.sources.readers.blocks import LINE_LIMIT
from pipelines.sources.readers.csv_files import read_csv
from pipelines.sources.readers.csv_header import Form
from pipelines.sources.readers.folders import COMPRESSED, Folder
from pipelines.sources.readers.jsonl_files import read_jsonl
from pipelines.sources.readers.named_columns import named_columns
from pipelines.sources.readers.parquet_files import read_parquet
from pipelines.sources.readers.pieces import Chunk, Piece
from pipelines.sources.readers.text_files import TextFile

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class FilesReader:
    """Reads files below a location.

    Args:
        source: Its declaration.
        checkout: Where a relative location begins.
        line_limit: Bytes that a line of a text file may have.

    Raises:
        SourceError: A variable of the environment is missing, or the location is wrong.
    """

    def __init__(self, source: SourceDeclaration, checkout: Path, line_limit: int = LINE_LIMIT) -> None:
        self._source, self._line_limit = source.name, line_limit
        self._folder = Folder(source.name, source.opened_location(), source.shown_location, checkout)

    def pieces(self, data_set: DataSetMapping) -> list[Piece]:
        """The files that match ``from``, by name."""
        return self._folder.pieces(data_set.from_)

    def read(self, data_set: DataSetMapping, piece: Piece, after: Any | None, rows: int) -> Iterator[Chunk]:
        """Rows of one file, in the format that its ending or ``read_as`` says."""
        kind = data_set.read_as or self._format(piece.name)
        if kind == "parquet":
            with self._folder.open(piece.name) as file:
                yield from read_parquet(file, piece.name, after, rows)
            return
        open_at = partial(self._folder.open_text, piece.name, data_set.encoding)
        text = TextFile(self._source, piece.name, open_at, data_set.encoding, self._line_limit)
        if kind == "csv":
            form = Form(data_set.delimiter, names=data_set.column_names)
            yield from read_csv(text, form, after, rows)
        else:
            yield from read_jsonl(text, named_columns(data_set), after, rows)

    def _format(self, name: str) -> str:
        path = PurePosixPath(name)
        ending = (PurePosixPath(path.stem) if path.suffix.lower() in COMPRESSED else path).suffix.lower()
        if ending not in FORMATS:
            raise SourceError(
                f"source {self._source}: {name}: expected one of {', '.join(FORMATS)}, found "
                f"{ending or 'no ending'}; say what it is with `read_as`"
            )
        return FORMATS[ending]
