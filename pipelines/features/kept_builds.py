"""Views as they were built before, kept beside the pipeline: what a build may take over instead of building it.

Nothing here is ever needed. What is missing, broken, or made by other code or from other inputs is not used.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.tables import sha256

ROWS = "rows.parquet"
PRINTS = "prints.parquet"
PER_VIEW = 4
"""How many builds of a view are kept: both folds of this week and of the week before."""


@dataclass(frozen=True)
class KeptBuild:
    """One view as it was built once.

    Attributes:
        folder: Where its files are.
        code: Hash of the view, of all that it reads and of the engine.
        inputs: Digest of each table that it reads, directly or not.
        files: Content hash of each file.
    """

    folder: Path
    code: str
    inputs: Mapping[str, str]
    files: Mapping[str, str]

    def take(self, file: str, target: Path) -> bool:
        """Copy one of the files to ``target``; False, and no file there, when it is not what was kept."""
        try:
            shutil.copyfile(self.folder / file, target)
            if sha256(target) == self.files[file]:
                os.utime(self.folder)  # what is used is not the oldest
                return True
        except (OSError, KeyError):
            pass
        target.unlink(missing_ok=True)
        return False


class KeptBuilds:
    """The builds kept in a folder, some of each view."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, view: str, code: str) -> list[KeptBuild]:
        """Builds of a view by the same code, the latest first."""
        found = [_read(folder) for folder in _latest_first(self._folder / view)]
        return [build for build in found if build is not None and build.code == code]

    def keep(self, view: str, code: str, inputs: Mapping[str, str], files: Mapping[str, Path]) -> bool:
        """Keep copies of a build's files; False when the folder cannot be written, which harms nothing."""
        home = self._folder / view
        try:
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".draft-", dir=home, ignore_cleanup_errors=True) as draft:
                _write(Path(draft) / "build", code, inputs, files)
                (Path(draft) / "build").rename(home / Path(draft).name.removeprefix(".draft-"))
        except OSError:
            return False
        for folder in _latest_first(home)[PER_VIEW:]:
            shutil.rmtree(folder, ignore_errors=True)
        return True


def _write(folder: Path, code: str, inputs: Mapping[str, str], files: Mapping[str, Path]) -> None:
    folder.mkdir()
    for name, path in files.items():
        shutil.copyfile(path, folder / name)
    hashes = {name: sha256(folder / name) for name in files}
    about = {"code": code, "inputs": dict(inputs), "files": hashes}
    (folder / "build.json").write_text(json.dumps(about, indent=2, sort_keys=True))


def _read(folder: Path) -> KeptBuild | None:
    try:
        about = json.loads((folder / "build.json").read_text())
        return KeptBuild(folder, str(about["code"]), dict(about["inputs"]), dict(about["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _latest_first(home: Path) -> list[Path]:
    try:
        folders = [path for path in home.iterdir() if not path.name.startswith(".")]
        return sorted(folders, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    except OSError:
        return []
