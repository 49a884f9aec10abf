"""Reading and writing tables and small JSON files, whole or not at all, with the same bytes every time."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KEPT_METADATA = (
    "shoploop."  # keys of a schema's metadata that begin so are written along; all others are noise
)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(Exception):
    """A file cannot be read or written; the message names it and the remedy."""


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file.

    Raises:
        StorageError: It is missing or broken.
    """
    try:
        return pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{path}: expected a readable Parquet file, found {_first_line(error)}; write or fetch it again"
        ) from error


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file; equal tables give equal bytes.

    Raises:
        StorageError: The disk is full or the folder not writable; what was at ``path`` before is still there.
    """
    bare = table.replace_schema_metadata(_kept(table.schema)).combine_chunks()
    write_whole(path, lambda part: pq.write_table(bare, part, compression="zstd", row_group_size=262_144))


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(path, lambda part: part.write_text(text))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StorageError: It is missing or broken.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: expected JSON, found {_first_line(error)}; write it again") from error


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a partial file beside ``path``, sync it to disk, then rename it into place."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        _sync(partial)
        partial.replace(path)
    except OSError as error:
        raise StorageError(_words(path, error)) from error
    finally:
        with suppress(OSError):  # what went wrong is told already, as where the folder is a file
            partial.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Content hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept(schema: pa.Schema) -> dict[bytes, bytes] | None:
    metadata = schema.metadata or {}
    return {key: metadata[key] for key in sorted(metadata) if key.startswith(KEPT_METADATA.encode())} or None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _words(path: Path, error: OSError) -> str:
    if error.errno in FULL:
        fault, remedy = "the disk is full", "nothing was changed: free some space and repeat the command"
    else:
        fault, remedy = "cannot be written", "make the folder writable and repeat the command"
    return f"{path}: {fault} ({error.strerror or error}); {remedy}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
