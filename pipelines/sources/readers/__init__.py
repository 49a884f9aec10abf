"""Readers: what lies at a source, piece by piece and chunk by chunk, as it stands there."""

from collections.abc import Callable
from pathlib import Path

from pipelines.settings import settings
from pipelines.sources.declaration import SourceDeclaration
from pipelines.sources.published.reading import PublishedReader
from pipelines.sources.readers.databases import DatabaseReader
from pipelines.sources.readers.event_streams import StreamReader
from pipelines.sources.readers.files import FilesReader
from pipelines.sources.readers.pieces import Chunk, Piece, Reader

COMPLETE_JOURNEY = "complete_journey"  # the default shop, which is built in
__all__ = ["COMPLETE_JOURNEY", "Chunk", "Piece", "Reader", "open_reader"]


def open_reader(
    source: SourceDeclaration, checkout: Path, say: Callable[[str], None] = lambda _: None
) -> Reader:
    """The reader of a source, by its kind.

    Args:
        source: Its declaration.
        checkout: Where a relative location begins.
        say: Told how far a download is.

    Raises:
        SourceError: The location is wrong, or a published data set cannot be had.
    """
    if source.kind == "files":
        return FilesReader(source, checkout)
    if source.kind == "database":
        return DatabaseReader(source, checkout)
    if source.kind == "stream":
        return StreamReader(source)
    if source.location == COMPLETE_JOURNEY:
        from pipelines.sources.complete_journey_check import CompleteJourneyReader

        return CompleteJourneyReader()
    return PublishedReader(source, checkout, settings().published, say)
