"""The reader of published data sets: brings the files here, then reads them like any folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.sources.declaration import DataSetMapping, SourceDeclaration
from pipelines.sources.errors import SourceError
from pipelines.sources.published.downloading import Say
from pipelines.sources.published.laying_out import lay_out
from pipelines.sources.published.presets import load_preset, parse_place
from pipelines.sources.readers.files import FilesReader
from pipelines.sources.readers.pieces import Chunk, Piece


class PublishedReader:
    """Reads a published data set.

    Args:
        source: Its declaration, with the preset's mapping filled in.
        checkout: Where a relative folder begins.
        home: ``home/NAME[/VARIANT]`` takes downloads, ``home/ready/SOURCE`` what is read.
        say: Told how far downloads are.

    Raises:
        SourceError: The files cannot be had, or are not what they should be.
    """

    def __init__(self, source: SourceDeclaration, checkout: Path, home: Path, say: Say) -> None:
        place = parse_place(source.opened_location())
        folder = checkout / place.folder if place.folder else home / place.preset / place.variant
        ready = home / "ready" / source.name
        preset = load_preset(place.preset)
        kept = {mapping.from_.split("/", 1)[0] for mapping in source.data_sets.values()} & set(preset.files)
        try:
            lay_out(preset, place, folder, ready, kept, say)
        except SourceError as error:
            raise SourceError(f"source {source.name}: {error}") from error
        except OSError as error:
            raise SourceError(
                f"source {source.name}: {ready} cannot be written ({error.strerror or error}); make room, or make "
                "the folder writable"
            ) from error
        laid_out = source.model_copy(update={"location": str(ready.resolve())})
        self._files = FilesReader(laid_out, checkout)

    def pieces(self, data_set: DataSetMapping) -> list[Piece]:
        """The files that match ``from``, by name."""
        return self._files.pieces(data_set)

    def read(self, data_set: DataSetMapping, piece: Piece, after: Any | None, rows: int) -> Iterator[Chunk]:
        """Rows of one file."""
        yield from self._files.read(data_set, piece, after, rows)
