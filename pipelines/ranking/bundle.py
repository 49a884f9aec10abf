"""A model bundle on disk: ``bundle.json``, JSON tables and npz arrays, each with its sha256.

Bytes are stable (sorted keys, fixed zip times), so that equal models are equal files.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.domain import BundleError

MANIFEST = "bundle.json"
REMEDY = "restore the bundle from the release or train again"
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz whose bytes depend on the arrays alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(arrays[name], order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _FIXED_TIME), buffer.getvalue())


def write_json(path: Path, value: Any) -> None:
    """Write JSON whose bytes depend on the value alone."""
    path.write_text(json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1) + "\n")


def seal(bundle: Path, manifest: Mapping[str, Any]) -> str:
    """Write ``bundle.json`` over the files that are there and return the bundle's sha256."""
    files = {
        str(path.relative_to(bundle)): file_sha256(path)
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path.name != MANIFEST and "__pycache__" not in path.parts
    }
    write_json(bundle / MANIFEST, {**manifest, "files": files})
    return bundle_sha256(bundle)


def bundle_sha256(bundle: Path) -> str:
    """One hash for the whole bundle: that of ``bundle.json``, which holds the hash of every file."""
    return file_sha256(bundle / MANIFEST)


def read_manifest(bundle: Path) -> dict[str, Any]:
    """Read ``bundle.json`` and verify every file it names.

    Raises:
        BundleError: A file is missing or differs from its hash.
    """
    manifest = read_json(bundle / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{bundle / MANIFEST}: no table of files; {REMEDY}")
    for name, expected in manifest["files"].items():
        found = file_sha256(bundle / name)
        if found != expected:
            raise BundleError(f"{bundle / name}: sha256 expected {expected}, found {found}; {REMEDY}")
    return manifest


def read_json(path: Path) -> Any:
    """Read a JSON file of a bundle.

    Raises:
        BundleError: It is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); {REMEDY}") from error


def setting(manifest: Mapping[str, Any], section: str, name: str) -> float:
    """A number that ``bundle.json`` holds.

    Raises:
        BundleError: It does not.
    """
    try:
        return float(manifest[section][name])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{MANIFEST}: lacks the number {section}.{name}; {REMEDY}") from error


def read_arrays(path: Path, *names: str) -> tuple[NDArray[Any], ...]:
    """Read named arrays of an npz.

    Raises:
        BundleError: The file or an array is missing or corrupt.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return tuple(archive[name] for name in names)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: cannot be read ({error}); {REMEDY}") from error


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz.

    Raises:
        BundleError: The file is missing or corrupt.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: cannot be read ({error}); {REMEDY}") from error


def file_sha256(path: Path) -> str:
    """Hash of one file.

    Raises:
        BundleError: It cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
