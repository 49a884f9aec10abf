"""What of a checkout gets into the platform's image: all of its code, no secret, and the id of that code."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from docker.utils.build import exclude_paths

from pipelines.snapshot import TREE_RECORD, Entry, Snapshot, entries_of_commit, listed_files, tree_id

ROOT = Path(__file__).parents[2]


def run(root: Path, *command: str, **more: str) -> str:
    # A hook of git runs with GIT_DIR set, which would name another checkout.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | more
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return done.stdout.strip()


def commit(root: Path) -> None:
    run(root, "git", "add", "--all")
    run(root, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=all")


def write(file: Path, content: str = "x") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout of the project as it is on disk now."""
    root = tmp_path / "checkout"
    for name in listed_files(ROOT):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
    run(root, "git", "init", "--quiet")
    commit(root)
    return root


def context(root: Path) -> set[str]:
    """The files that ``COPY . .`` copies, by Docker's own reading of .dockerignore."""
    lines = (root / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    return {name for name in exclude_paths(str(root), rules) if (root / name).is_file()}


def make_env(root: Path) -> dict[str, str]:
    """What ``deploy/make-env.sh`` writes into .env."""
    run(root, "deploy/make-env.sh")
    return read_env(root)


def read_env(root: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (root / ".env").read_text().splitlines())


def build_image(root: Path) -> Snapshot:
    """Which code the image of a checkout holds: its context, then the Dockerfile's line that records its id."""
    image = root.parent / "image"
    for name in context(root):
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, image / name)
    dockerfile = (root / "deploy/Dockerfile").read_text().splitlines()
    (line,) = (
        line.removeprefix("RUN ") for line in dockerfile if line.startswith("RUN ") and TREE_RECORD in line
    )
    run(image, "sh", "-c", line, TREE_ID=read_env(root)["TREE_ID"])
    assert entries_of_commit(image) is None
    return Snapshot(tree_id(tuple(Entry.read(image, name) for name in listed_files(image))), None, image)


def ignored_by_git(root: Path) -> list[str]:
    """A path for each rule of each .gitignore, and one further down where the rule is not anchored."""
    found: list[str] = []
    for file in root.rglob(".gitignore"):
        for rule in filter(None, file.read_text().splitlines()):
            name = rule.strip("/").replace("*", "any") + ("/inside" if rule.endswith("/") else "")
            folders = [file.parent] if rule.startswith("/") else [file.parent, file.parent / "pipelines"]
            found += [(folder / name).relative_to(root).as_posix() for folder in folders]
    return found


def test_context__has_nothing_that_git_ignores(checkout: Path) -> None:
    before, ignored = context(checkout), ignored_by_git(checkout)
    for name in ignored:
        write(checkout / name)

    assert {".env", ".shoploop/inside", ".dvc/config.local", "build/inside"} <= set(ignored)
    assert run(checkout, "git", "status", "--porcelain") == ""
    assert context(checkout) - before == set()


def test_context__has_everything_that_git_tracks_and_not_git(checkout: Path) -> None:
    assert context(checkout) == set(run(checkout, "git", "ls-files", "-z").split("\0")[:-1])


def test_make_env__writes_no_file_that_reaches_the_image(checkout: Path) -> None:
    before = set(checkout.iterdir())
    make_env(checkout)

    written = {path.name for path in set(checkout.iterdir()) - before}
    assert written == {".env"}
    assert not written & context(checkout)
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600


def test_make_env__keeps_the_passwords_and_finds_the_code_anew(checkout: Path) -> None:
    first = make_env(checkout)
    write(checkout / "pipelines/new.py")
    edited = make_env(checkout)
    commit(checkout)
    second = make_env(checkout)

    assert edited == first | {"TREE_ID": ""}
    assert second == first | {"TREE_ID": run(checkout, "git", "rev-parse", "HEAD^{tree}")}
    assert second["TREE_ID"] != first["TREE_ID"]


def test_image__code_of_a_clean_checkout_has_the_commits_id(checkout: Path) -> None:
    for name in {*ignored_by_git(checkout), "dvc.lock", TREE_RECORD} - {".env"}:
        write(checkout / name)
    make_env(checkout)

    snapshot = build_image(checkout)

    assert snapshot.tree_id == run(checkout, "git", "rev-parse", "HEAD^{tree}")
    assert not snapshot.dirty


@pytest.mark.parametrize("when", ["edited before", "edited after", "committed after"])
def test_image__code_that_is_not_the_recorded_commits_is_dirty(checkout: Path, when: str) -> None:
    if when != "edited before":
        make_env(checkout)
    write(checkout / "pipelines/new.py")
    if when == "edited before":
        make_env(checkout)
    elif when == "committed after":
        commit(checkout)

    assert build_image(checkout).dirty


def test_compose__hands_the_image_the_id_that_make_env_wrote(checkout: Path) -> None:
    services = yaml.safe_load((checkout / "docker-compose.yml").read_text())["services"]
    arguments = [service["build"]["args"] for service in services.values() if "build" in service]

    assert arguments
    assert all(given == {"TREE_ID": "${TREE_ID:-}"} for given in arguments)
    assert "TREE_ID" in make_env(checkout)
    assert 'ARG TREE_ID=""' in (checkout / "deploy/Dockerfile").read_text().splitlines()
