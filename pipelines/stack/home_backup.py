"""A whole ``$SHOPLOOP_HOME`` as one archive, taken while the stack runs, and the way back from it."""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.releases.backup import back_up, restore
from pipelines.releases.chain import Verification
from pipelines.releases.ledger import Ledger
from pipelines.settings import Settings

KIND = "shoploop home"
FORMAT = 1
OWN = ".backup"
LEDGER = f"{OWN}/ledger.gz"
INDEX = f"{OWN}/index.json"
LEFT_OUT = frozenset(
    {"bentoml/prometheus_multiproc_dir", "bentoml/tmp", "cache", "endpoint", "logs", "processes", "published"}
    | {"spark", "stack.lock"}
)
"""Below the home: what the stack makes again, what holds for running processes only, and downloads."""
SQLITE = b"SQLite format 3\0"
SIDE_FILES = ("-wal", "-shm", "-journal")
BROKEN = (OSError, EOFError, ValueError, LookupError, TypeError, tarfile.TarError, zlib.error)

Say = Callable[[str], None]


class HomeBackupError(Exception):
    """A backup cannot be written or brought back; the message names the file and the remedy."""


def back_up_home(settings: Settings, file: Path, say: Say) -> Verification:
    """Write all of the home but :data:`LEFT_OUT` to ``file``, readable by its owner only; others may go on working.

    The ledger comes first, as of one moment, so that what it names is in the archive: nothing is taken out of the
    stores but by ``shoploop gc``. Each SQLite database is as of one moment as well.

    Raises:
        HomeBackupError: There is no home, or the file lies in it or cannot be written.
        LedgerError: The ledger does not verify.
    """
    if not settings.home.is_dir():
        raise HomeBackupError(
            f"{settings.home}: there is no such home; set SHOPLOOP_HOME to the one to back up"
        )
    if settings.home.resolve() in file.resolve().parents:
        raise HomeBackupError(f"{file}: lies in the home that is backed up; choose a place outside of it")
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            found = _ledger(settings, Path(scratch) / "ledger.gz")
            with (
                os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as raw,
                tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as archive,
            ):
                _write(archive, settings.home, Path(scratch), say)
        partial.replace(file)
    except (OSError, sqlite3.Error) as error:
        raise HomeBackupError(
            f"{file}: cannot be written ({error}); choose another place or try again"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return found


def restore_home(settings: Settings, file: Path, say: Say) -> Verification:
    """Bring a home back, whole or not at all, where there is none.

    Raises:
        HomeBackupError: The home is not empty; or the file is none of ours, is cut off, or was changed.
        LedgerError: The ledger in it was changed, is of another version, or the one of SHOPLOOP_LEDGER_URL has rows.
    """
    home = settings.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise HomeBackupError(f"{home}: is not empty: move it away, or set SHOPLOOP_HOME to another folder")
    home.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}."))
    try:
        _read(file, made, say)
        ledger = Ledger(settings.ledger_url or f"sqlite:///{made / 'ledger.db'}")
        try:
            found = restore(ledger, made / LEDGER)
        finally:
            ledger.close()
        shutil.rmtree(made / OWN)
        made.chmod(0o755)
        made.replace(home)
    except OSError as error:
        raise HomeBackupError(f"{home}: cannot be written ({error}); nothing was restored") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return found


def not_in_it(settings: Settings) -> list[str]:
    """What of this installation lies outside of its home."""
    elsewhere = {
        "MLflow": settings.mlflow_url,
        "Airflow's database": settings.airflow_database_url,
        "shopper state and event log": settings.state_url,
    }
    return [name for name, url in elsewhere.items() if url]


def _ledger(settings: Settings, file: Path) -> Verification:
    ledger = Ledger(settings.ledger)
    try:
        return back_up(ledger, file)
    finally:
        ledger.close()


def _write(archive: tarfile.TarFile, home: Path, scratch: Path, say: Say) -> None:
    hashes: dict[str, str] = {}
    _add(archive, scratch / "ledger.gz", LEDGER, hashes)
    for entry in sorted(home.iterdir()):
        before = archive.offset
        for path in _files(entry, home):
            _add(archive, _still(path, scratch), str(path.relative_to(home)), hashes)
        if archive.offset > before:
            say(f"  {entry.name:<18} {(archive.offset - before) / 2**20:>9,.1f} MiB")
    index = {"kind": KIND, "format": FORMAT, "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
    body = json.dumps(index | {"files": hashes}, indent=1, sort_keys=True).encode()
    about = tarfile.TarInfo(INDEX)
    about.size = len(body)
    archive.addfile(about, io.BytesIO(body))


def _files(entry: Path, home: Path) -> Iterator[Path]:
    """Regular files; the ledger goes in its own form, and a database's side files with the database."""
    if str(entry.relative_to(home)) in LEFT_OUT or entry.is_symlink():
        return
    if entry.is_dir():
        for inner in sorted(entry.iterdir()):
            yield from _files(inner, home)
    elif entry.is_file() and entry != home / "ledger.db" and not _is_side_file(entry):
        yield entry


def _is_side_file(path: Path) -> bool:
    owner = next(
        (path.with_name(path.name.removesuffix(end)) for end in SIDE_FILES if path.name.endswith(end)), None
    )
    return owner is not None and owner.is_file()


def _still(path: Path, scratch: Path) -> Path:
    """A copy of one moment of a database; another file is read as it is."""
    try:
        with path.open("rb") as content:
            if content.read(len(SQLITE)) != SQLITE:
                return path
    except FileNotFoundError:
        return path
    copy = scratch / "database"
    copy.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    copy.chmod(stat.S_IMODE(path.stat().st_mode))
    return copy


def _add(archive: tarfile.TarFile, path: Path, name: str, hashes: dict[str, str]) -> None:
    """Add a file as it is read once: a run may append to it or remove it meanwhile."""
    try:
        about = archive.gettarinfo(path, name)
        with tempfile.SpooledTemporaryFile(2**24) as copy:
            with path.open("rb") as content:
                shutil.copyfileobj(content, copy)
            size = copy.tell()
            copy.seek(0)
            hashes[name] = hashlib.file_digest(copy, "sha256").hexdigest()
            if about.islnk() and hashes[about.linkname] == hashes[name]:
                archive.addfile(about)
                return
            about.type, about.linkname, about.size = tarfile.REGTYPE, "", size
            copy.seek(0)
            archive.addfile(about, copy)
    except FileNotFoundError:
        return


def _read(file: Path, made: Path, say: Say) -> None:
    """Unpack and compare with the index, which comes last: a file that is cut off has none."""
    found: dict[str, str] = {}
    index: dict[str, Any] = {}
    try:
        with tarfile.open(file, "r|gz") as archive:
            for member in archive:
                if member.name == INDEX:
                    index = json.load(archive.extractfile(member))  # type: ignore[arg-type]
                    continue
                found[member.name] = _unpack(archive, member, made)
        if index["kind"] != KIND:
            raise ValueError(index["kind"])
        known, made_with = index["files"], index["format"]
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno and error.filename != str(file):
            raise
        raise HomeBackupError(
            f"{file}: is no whole backup of a home ({error or type(error).__name__}); take another one"
        ) from error
    if made_with != FORMAT:
        raise HomeBackupError(
            f"{file}: has format {made_with}, this shoploop reads {FORMAT}: use the one that wrote it"
        )
    wrong = sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name))
    if wrong:
        raise HomeBackupError(
            f"{file}: was changed: {wrong[0]} is not what was backed up; nothing was restored"
        )
    say(f"  {len(found)} files of {index['created_at']}, each as it was")


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, made: Path) -> str:
    archive.extract(member, made, filter="data")
    path = made / member.name
    path.chmod(member.mode & 0o755)  # the filter lets the owner write; DVC's cache is read-only
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
