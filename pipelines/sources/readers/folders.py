"""Files below a location: a folder of this machine, or a prefix of an S3 bucket."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from pipelines.settings import environment_value
from pipelines.sources.declaration import SourceError
from pipelines.sources.readers.blocks import Bytes
from pipelines.sources.readers.encodings import Decoded, needs_decoding_first
from pipelines.sources.readers.pieces import Piece

COMPRESSED = {".gz": "gzip"}
WAIT_SECONDS = 20
TROUBLES = (OSError, EOFError, pa.ArrowException)
_GLOB = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Folder:
    """Lists and opens the files of a location.

    Args:
        source: Name of the source, for errors.
        location: Folder relative to ``checkout``, absolute folder, or ``s3://bucket/prefix``. Credentials and
            endpoint of S3 are those that every AWS program takes from the environment (``AWS_ACCESS_KEY_ID``,
            ``AWS_ENDPOINT_URL``, …).
        shown: The location for messages.
        checkout: Where relative folders begin.

    Raises:
        SourceError: The location is no folder.
    """

    def __init__(self, source: str, location: str, shown: str, checkout: Path) -> None:
        self._source, self._location = source, shown
        if location.startswith("s3://"):
            self._files, self._root = _bucket(source, location, shown)
        else:
            self._files, self._root = fs.LocalFileSystem(), (checkout / location).as_posix()

    def pieces(self, pattern: str) -> list[Piece]:
        """Files that match a glob, by name; ``**`` crosses folders.

        Raises:
            SourceError: None matches, or the location cannot be listed.
        """
        wanted = re.compile(_regex(pattern))
        found = {info.path[len(self._root) :].lstrip("/"): info for info in self._listed()}
        names = sorted(name for name in found if wanted.fullmatch(name))
        if not names:
            there = ", ".join(sorted(found)[:10]) or "no file"
            raise SourceError(
                f"source {self._source}: expected files like {pattern!r} in {self._location}, found {there}; "
                "correct `from` or `location`"
            )
        return [Piece(name, self._fingerprint(found[name])) for name in names]

    def _listed(self) -> list[fs.FileInfo]:
        try:
            infos = self._files.get_file_info(fs.FileSelector(self._root, recursive=True))
        except TROUBLES as error:
            raise SourceError(
                f"source {self._source}: {self._location} cannot be listed ({error}); correct `location`, or "
                "the credentials in the environment"
            ) from error
        return [info for info in infos if info.type == fs.FileType.File]

    def _fingerprint(self, info: fs.FileInfo) -> str:
        if isinstance(self._files, fs.LocalFileSystem):
            return f"{info.size}-{info.mtime_ns}"
        with self.open(info.path[len(self._root) :].lstrip("/")) as file:
            return f"{info.size}-{file.metadata().get('ETag', b'').decode().strip(chr(34))}"

    @contextmanager
    def open(self, name: str) -> Iterator[pa.NativeFile]:
        """A file by its name below the location, to be read at any place.

        Raises:
            SourceError: It cannot be opened or, inside the block, read.
        """
        with self._told(name), self._files.open_input_file(f"{self._root}/{name}") as file:
            yield file

    @contextmanager
    def open_text(self, name: str, encoding: str, offset: int) -> Iterator[Bytes]:
        """A text file, decompressed and with one byte a letter or more, from ``offset`` of that on.

        Raises:
            SourceError: It cannot be opened or, inside the block, read.
        """
        compression = COMPRESSED.get(Path(name).suffix.lower())
        decoded = needs_decoding_first(encoding)
        with self.open(name) as file:
            if not compression and not decoded:
                file.seek(offset)
                yield file
                return
            stream: Bytes = pa.CompressedInputStream(file, compression) if compression else file
            stream = Decoded(stream, encoding) if decoded else stream
            _discard(stream, offset)
            yield stream

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except TROUBLES as error:
            raise SourceError(
                f"source {self._source}: {name} cannot be read ({_first_line(error)}); "
                "copy the file again, or take it away"
            ) from error


def _bucket(source: str, location: str, shown: str) -> tuple[fs.FileSystem, str]:
    parts = urlsplit(location)
    if not parts.netloc:
        raise SourceError(f"source {source}: expected s3://bucket/prefix as location, found {shown!r}")
    endpoint = environment_value("AWS_ENDPOINT_URL_S3") or environment_value("AWS_ENDPOINT_URL")
    files = fs.S3FileSystem(
        endpoint_override=endpoint, connect_timeout=WAIT_SECONDS, request_timeout=WAIT_SECONDS
    )
    return files, f"{parts.netloc}/{parts.path.strip('/')}".rstrip("/")


def _discard(stream: Bytes, size: int) -> None:
    while size > 0 and (data := stream.read(min(size, 1 << 20))):
        size -= len(data)


def _regex(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return "".join(_GLOB.get(part) or re.escape(part) for part in parts)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
