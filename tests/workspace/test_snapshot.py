"""Tree ids: git's own, with git and without."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.snapshot import Entry, Snapshot, entries_of_commit, listed_files, tree_id

AWKWARD = {
    "params.yaml": "shop: 1\n",
    "foo.txt": "sorts before the folder foo\n",
    "foo/inside.sql": "select 1\n",
    "foo/deep/ütf name.sql": "select 2\n",
    "foo0": "sorts after the folder foo\n",
    "ignored.log": "no\n",
    "kept/important.log": "yes, a deeper rule re-includes it\n",
    "kept/.gitignore": "!important.log\n",
    ".gitignore": "*.log\n/data/\n__pycache__/\n",
    "data/inputs.parquet": "no\n",
    "foo/data/x": "yes: the rule is anchored\n",
    "foo/__pycache__/a.pyc": "no\n",
    "dvc.lock": "a record of a run by hand\n",
}


def git(root: Path, *words: str) -> str:
    who = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | who
    done = subprocess.run(
        ["git", *words], cwd=root, check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name, content in AWKWARD.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("foo.txt")
    git(root, "init", "-q")
    return root


def id_of(root: Path) -> str:
    return tree_id(tuple(Entry.read(root, name) for name in listed_files(root)))


def test_tree_id__is_the_one_git_computes(checkout: Path) -> None:
    git(checkout, "add", "-A")
    git(checkout, "rm", "-q", "--cached", "dvc.lock")

    assert id_of(checkout) == git(checkout, "write-tree")


def test_tree_id__is_the_same_without_git(checkout: Path) -> None:
    before, with_git = listed_files(checkout), id_of(checkout)

    shutil.rmtree(checkout / ".git")

    assert listed_files(checkout) == before
    assert id_of(checkout) == with_git


def test_tree_id__is_the_same_without_git_for_this_checkout(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for name in listed_files(root):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, tmp_path / name, follow_symlinks=False)

    assert id_of(tmp_path) == id_of(root)


@pytest.mark.parametrize("change", ["content", "mode", "new", "gone"])
def test_tree_id__changes_with(change: str, checkout: Path) -> None:
    before = id_of(checkout)
    if change == "content":
        (checkout / "foo/inside.sql").write_text("select 2\n")
    elif change == "mode":
        (checkout / "run.sh").chmod(0o644)
    elif change == "new":
        (checkout / "foo/untracked.sql").write_text("select 3\n")
    else:
        (checkout / "foo0").unlink()

    assert id_of(checkout) != before


def test_tree_id__ignores_times_and_ignored_files(checkout: Path) -> None:
    before = id_of(checkout)
    os.utime(checkout / "foo.txt", (1, 1))
    (checkout / "another.log").write_text("no")
    (checkout / "dvc.lock").write_text("another run by hand")

    assert id_of(checkout) == before


def test_listed_files__has_an_untracked_file_and_not_a_deleted_one(checkout: Path) -> None:
    git(checkout, "add", "-A")
    (checkout / "foo0").unlink()
    (checkout / "foo/new.sql").write_text("select 3\n")

    found = listed_files(checkout)

    assert "foo/new.sql" in found
    assert "foo0" not in found
    assert "kept/important.log" in found
    assert not {"ignored.log", "data/inputs.parquet", "foo/__pycache__/a.pyc", "dvc.lock"} & set(found)


def test_entries_of_commit__equal_the_files_of_a_clean_checkout(checkout: Path) -> None:
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "all")

    assert entries_of_commit(checkout) == {Entry.read(checkout, name) for name in listed_files(checkout)}


def test_entries_of_commit__is_none_without_git_and_empty_before_the_first_commit(checkout: Path) -> None:
    assert entries_of_commit(checkout) == frozenset()
    shutil.rmtree(checkout / ".git")
    assert entries_of_commit(checkout) is None


def test_snapshot__without_git_is_clean_only_when_the_build_recorded_the_same_tree(tmp_path: Path) -> None:
    snapshot = Snapshot("a" * 40, None, tmp_path)
    assert snapshot.dirty
    (tmp_path / "build").mkdir()
    (tmp_path / "build/tree_id").write_text("a" * 40 + "\n")
    assert not snapshot.dirty
    (tmp_path / "build/tree_id").write_text("b" * 40 + "\n")
    assert snapshot.dirty
