"""Readers: what lies at a source, piece by piece and chunk by chunk, as it stands there."""

from pathlib import Path

from pipelines.sources.declaration import SourceDeclaration, SourceError
from pipelines.sources.readers.databases import DatabaseReader
from pipelines.sources.readers.event_streams import StreamReader
from pipelines.sources.readers.files import FilesReader
from pipelines.sources.readers.pieces import Chunk, Piece, Reader

COMPLETE_JOURNEY = "complete_journey"  # the default shop, which is built in
__all__ = ["COMPLETE_JOURNEY", "Chunk", "Piece", "Reader", "open_reader"]


def open_reader(source: SourceDeclaration, checkout: Path) -> Reader:
    """The reader of a source, by its kind.

    Args:
        source: Its declaration.
        checkout: Where a relative location begins.

    Raises:
        SourceError: There is none for the kind, or the location is wrong.
    """
    if source.kind == "files":
        return FilesReader(source, checkout)
    if source.kind == "database":
        return DatabaseReader(source, checkout)
    if source.kind == "stream":
        return StreamReader(source)
    if source.kind == "published" and source.location == COMPLETE_JOURNEY:
        from pipelines.sources.complete_journey_check import CompleteJourneyReader

        return CompleteJourneyReader()
    raise SourceError(f"source {source.name}: kind {source.kind} is not read by chunks")
