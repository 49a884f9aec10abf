"""Which code is this: the files of a checkout and one id for their content.

The id is the id that git gives a tree of these files (a commit's ``git rev-parse HEAD^{tree}`` when
nothing was edited), computed here, so that it is the same where there is no git, as in an image.
"""

import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

# What a run by hand leaves behind is a record of that run, not code of the next one.
RECORDS = frozenset({"dvc.lock"})
# An image has no git to ask; its build writes the tree id it was made from here (an ignored path).
TREE_RECORD = "build/tree_id"


class SnapshotError(Exception):
    """The files of a checkout cannot be listed; the message says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """One file: its path in the tree, git's mode (octal text) and git's blob id."""

    path: str
    mode: str
    blob: str

    @classmethod
    def read(cls, root: Path, path: str) -> "Entry":
        """The entry of the file ``root/path`` as it is on disk."""
        file = root / path
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            return cls(path, "120000", _object_id("blob", os.readlink(file).encode()))
        mode = "100755" if status.st_mode & stat.S_IXUSR else "100644"
        return cls(path, mode, _object_id("blob", file.read_bytes()))


@dataclass(frozen=True)
class Snapshot:
    """Identity of the code of a run.

    Attributes:
        tree_id: Git's tree id of the files, 40 hex digits.
        changed: Paths that differ from the commit; None where there is no git to compare with.
        checkout: Where they were copied from.
    """

    tree_id: str
    changed: tuple[str, ...] | None
    checkout: Path

    @property
    def dirty(self) -> bool:
        """Whether the code is not provably that of a commit."""
        if self.changed is not None:
            return bool(self.changed)
        record = self.checkout / TREE_RECORD
        return not record.is_file() or record.read_text().strip() != self.tree_id


def listed_files(root: Path) -> list[str]:
    """Paths of tracked and unignored files under ``root``, sorted; with git's help when it is there.

    Raises:
        SnapshotError: git is there and refuses.
    """
    found = _listed_by_git(root) if has_git(root) else _listed_by_walk(root)
    return sorted(name for name in found if name not in RECORDS and _is_content(root / name))


def entries_of_commit(root: Path) -> frozenset[Entry] | None:
    """The files of the checked-out commit; None without git, empty before the first commit."""
    if not has_git(root):
        return None
    if _git(root, "rev-list", "-n", "1", "--all") == b"":
        return frozenset()
    rows = _git(root, "ls-tree", "-r", "-z", "HEAD").decode().split("\0")
    parsed = [(row.split("\t", 1)[1], *row.split("\t", 1)[0].split()) for row in rows if row]
    return frozenset(
        Entry(path, mode, blob) for path, mode, kind, blob in parsed if kind == "blob" and path not in RECORDS
    )


def tree_id(entries: tuple[Entry, ...]) -> str:
    """Git's tree id of ``entries``."""
    files: list[tuple[str, str, str]] = []
    folders: dict[str, list[Entry]] = {}
    for entry in entries:
        head, slash, rest = entry.path.partition("/")
        if slash:
            folders.setdefault(head, []).append(Entry(rest, entry.mode, entry.blob))
        else:
            files.append((head, entry.mode, entry.blob))
    rows = files + [(name, "40000", tree_id(tuple(inside))) for name, inside in folders.items()]
    # Git sorts a folder as if its name ended with a slash.
    rows.sort(key=lambda row: (row[0] + "/" if row[1] == "40000" else row[0]).encode())
    return _object_id(
        "tree", b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(oid) for name, mode, oid in rows)
    )


def has_git(root: Path) -> bool:
    """Whether ``root`` itself is a git checkout and git can be run."""
    return (root / ".git").exists() and shutil.which("git") is not None


def _object_id(kind: str, content: bytes) -> str:
    # SHA-1 because git's ids are; it identifies here and protects nothing.
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def _is_content(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _listed_by_git(root: Path) -> list[str]:
    return _git(root, "ls-files", "-z", "-c", "-o", "--exclude-standard").decode().split("\0")[:-1]


def _listed_by_walk(root: Path) -> list[str]:
    """What git would list, by the ``.gitignore`` files alone."""
    found: list[str] = []
    rules: dict[Path, GitIgnoreSpec] = {}
    for folder, inside, files in os.walk(root):
        here = Path(folder)
        if ".gitignore" in files:
            rules[here] = GitIgnoreSpec.from_lines((here / ".gitignore").read_text().splitlines())
        # A folder that is ignored is not entered, as with git.
        inside[:] = [name for name in inside if name != ".git" and not _ignored(rules, here / name, "/")]
        links = [name for name in inside if (here / name).is_symlink()]
        kept = [here / name for name in files + links if not _ignored(rules, here / name, "")]
        found += [path.relative_to(root).as_posix() for path in kept]
    return found


def _ignored(rules: dict[Path, GitIgnoreSpec], path: Path, ending: str) -> bool:
    # The deepest .gitignore that has an opinion decides.
    for folder in path.parents:
        if folder in rules:
            opinion = rules[folder].check_file(path.relative_to(folder).as_posix() + ending).include
            if opinion is not None:
                return opinion
    return False


def _git(root: Path, *arguments: str) -> bytes:
    # A hook of git runs with GIT_DIR set; in a container the checkout may belong to another user.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", f"safe.directory={root.resolve()}", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    if done.returncode != 0:
        raise SnapshotError(
            f"{root}: `{' '.join(command)}` failed: {done.stderr.decode().strip()}; repair the checkout, or "
            "remove .git to work without it"
        )
    return done.stdout
