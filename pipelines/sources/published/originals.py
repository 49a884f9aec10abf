"""The published files where they are: plain, or packed into ZIP archives."""

import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipelines.sources.errors import SourceError
from pipelines.sources.published.presets import PublishedFiles

BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Original:
    """One published file.

    Attributes:
        path: The file, or the archive that holds it.
        member: Its name in the archive, empty for a plain file.
        outer: The archive that the archive was unpacked from, None where it lay in the folder itself.
    """

    path: Path
    member: str = ""
    outer: Path | None = None

    @property
    def name(self) -> str:
        """What the file is called."""
        return PurePosixPath(self.member or self.path.name).name

    @property
    def fingerprint(self) -> str:
        """Changes when the content does."""
        lasting = self.outer or self.path
        found = lasting.stat()
        return f"{lasting}|{self.path.name}|{self.member}|{found.st_size}|{found.st_mtime_ns}"

    def bring_to(self, target: Path) -> None:
        """Put it to ``target``: a link to a plain file, the unpacked member of an archive.

        Raises:
            SourceError: The archive cannot be unpacked.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.member:
            target.symlink_to(self.path.resolve())
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                _room_for(archive.getinfo(self.member), self.path, target)
                with archive.open(self.member) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
        except BROKEN as error:
            raise _broken(self.path, error) from error


def find_originals(
    wanted: Mapping[str, PublishedFiles], folder: Path, scratch: Path
) -> dict[str, list[Original]]:
    """The published files below a folder, by role; a role of which nothing is there has an empty list.

    Plain files count before packed ones. Archives in an archive, as Kaggle has them, are unpacked to ``scratch``.

    Raises:
        SourceError: An archive is broken or unsafe, or of a role more than one file is there.
    """
    there = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    plain = [Original(path) for path in there]
    found = {role: _matching(files, plain) for role, files in wanted.items()}
    if not all(found.values()):
        packed = [one for path in there if _is_archive(path.name) for one in _members(path, scratch)]
        found = {role: found[role] or _matching(files, packed) for role, files in wanted.items()}
    for role, files in wanted.items():
        _refuse_several(role, files, found[role])
    return found


def _matching(files: PublishedFiles, originals: list[Original]) -> list[Original]:
    return [one for one in originals if any(fnmatchcase(one.name, name) for name in files.names)]


def _members(path: Path, scratch: Path, outer: Path | None = None) -> Iterator[Original]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except BROKEN as error:
        raise _broken(path, error) from error
    for info in (info for info in infos if not info.is_dir()):
        inside = PurePosixPath(info.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
            raise SourceError(
                f"{path}: the archive wants to write outside its folder ({info.filename!r}); do not use it, get it "
                "again from its publishers"
            )
        member = Original(path, info.filename, outer)
        if _is_archive(inside.name) and outer is None:
            inner = scratch / inside.name
            if not inner.exists():
                member.bring_to(inner)
            yield from _members(inner, scratch, path)
        elif inside.parts[0] != "__MACOSX":
            yield member


def _refuse_several(role: str, files: PublishedFiles, found: list[Original]) -> None:
    names = [one.name for one in found]
    if len(found) > 1 and (not files.many or len(set(names)) < len(names)):
        listed = ", ".join(str(one.path / one.member) for one in found)
        raise SourceError(f"expected one file of {role}, found {listed}; take away what is not to be read")


def _is_archive(name: str) -> bool:
    return name.lower().endswith(".zip")


def _room_for(info: zipfile.ZipInfo, path: Path, target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if info.file_size > free:
        raise SourceError(
            f"{path}: {info.filename} is {info.file_size:,} bytes unpacked, {free:,} are free at {target.parent}; "
            "make room, or let SHOPLOOP_HOME be on a larger disk"
        )


def _broken(path: Path, error: BaseException) -> SourceError:
    return SourceError(
        f"{path}: expected a ZIP archive, found: {error or type(error).__name__}; remove it and get it again"
    )
