"""A workspace per run: what is copied, what is marked, and that two runs share nothing but the cache."""

import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.workspace import WorkspaceError, open_workspace, stage_environment, workspace_path
from tests.workspace.test_snapshot import git

DVC_YAML = """
stages:
  count_rows:
    cmd: python -m pipelines.count {wait}
    deps: [data/inputs/rows.txt, pipelines/count.py]
    outs: [reports/count.txt]
"""
COUNT = """
import pathlib, sys, time
time.sleep(float(sys.argv[1]))
rows = pathlib.Path("data/inputs/rows.txt").read_text()
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/count.txt").write_text(f"{len(rows.split())} rows")
print("counted in", pathlib.Path.cwd())
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    checkout = tmp_path / "checkout"
    (checkout / "pipelines").mkdir(parents=True)
    (checkout / "pipelines/__init__.py").write_text("")
    (checkout / "pipelines/count.py").write_text(COUNT)
    (checkout / "pipelines/tool.sh").write_text("#!/bin/sh\n")
    (checkout / "pipelines/tool.sh").chmod(0o755)
    (checkout / "params.yaml").write_text("count_rows: {}\n")
    (checkout / "dvc.yaml").write_text(DVC_YAML.format(wait=0))
    (checkout / ".gitignore").write_text("/data/\n/reports/\n")
    git(checkout, "init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=checkout, check=True)
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "start")
    return Settings(checkout=checkout, home=tmp_path / "home")


def reproduce(settings: Settings, workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", "count_rows"]
    environment = stage_environment(settings, workspace)
    return subprocess.run(
        command, cwd=workspace, env=environment, capture_output=True, text=True, check=False
    )


def give_rows(workspace: Path, rows: str) -> None:
    (workspace / "data/inputs").mkdir(parents=True)
    (workspace / "data/inputs/rows.txt").write_text(rows)


def test_open_workspace__of_a_clean_checkout_is_the_commit(settings: Settings) -> None:
    workspace = open_workspace(settings, "run-1")

    assert workspace.snapshot.tree_id == git(settings.checkout, "rev-parse", "HEAD^{tree}")
    assert not workspace.snapshot.dirty
    assert (workspace.path / "pipelines/count.py").read_text() == COUNT
    assert stat.S_IMODE((workspace.path / "pipelines/tool.sh").stat().st_mode) & 0o111


def test_open_workspace__holds_an_edit_that_is_not_committed_and_is_marked_dirty(settings: Settings) -> None:
    (settings.checkout / "pipelines/count.py").write_text(COUNT.replace('rows"', 'edited rows"'))
    (settings.checkout / "pipelines/new.py").write_text("x = 1\n")

    workspace = open_workspace(settings, "run-1")

    assert "edited" in (workspace.path / "pipelines/count.py").read_text()
    assert workspace.snapshot.dirty
    assert workspace.snapshot.changed == ("pipelines/count.py", "pipelines/new.py")


def test_open_workspace__again_replaces_what_a_broken_try_left(settings: Settings) -> None:
    first = open_workspace(settings, "run-1")
    (first.path / "half-written").write_text("x")

    second = open_workspace(settings, "run-1")

    assert second == first
    assert not (second.path / "half-written").exists()
    assert [path.name for path in settings.workspaces.iterdir()] == ["run-1"]


def test_open_workspace__of_something_else_says_what_to_set(settings: Settings, tmp_path: Path) -> None:
    wrong = settings.model_copy(update={"checkout": tmp_path / "elsewhere"})

    with pytest.raises(WorkspaceError, match=r"elsewhere.*SHOPLOOP_CHECKOUT"):
        open_workspace(wrong, "run-1")


def test_workspace_path__keeps_run_ids_apart_that_read_alike(settings: Settings) -> None:
    names = ["manual__2026-11-23T10:00:00+00:00", "manual__2026-11-23T10:00:00-00:00", "../escape", "a" * 200]
    paths = {workspace_path(settings, name) for name in names}

    assert len(paths) == len(names)
    assert {path.parent for path in paths} == {settings.workspaces.resolve()}


def test_stage_environment__runs_the_code_of_the_workspace_and_none_of_airflows_secrets(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "hidden")
    workspace = open_workspace(settings, "run-1").path
    environment = stage_environment(settings, workspace)
    command = ["python", "-c", "import pipelines; print(pipelines.__file__)"]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(workspace / "pipelines/__init__.py")
    assert not [name for name in environment if name.startswith("AIRFLOW")]


def test_reproduce__in_two_workspaces_shares_the_cache_and_nothing_else(settings: Settings) -> None:
    first, second = (open_workspace(settings, name).path for name in ("run-1", "run-2"))
    for workspace in (first, second):
        give_rows(workspace, "a b c")

    ran, restored = reproduce(settings, first), reproduce(settings, second)

    assert f"counted in {first}" in ran.stdout, ran.stderr
    assert "counted in" not in restored.stdout, restored.stdout
    assert (second / "reports/count.txt").read_text() == "3 rows"
    assert (first / "dvc.lock").read_text() == (second / "dvc.lock").read_text()
    assert not (settings.checkout / "dvc.lock").exists()


def test_reproduce__of_two_runs_at_once_never_waits_for_the_other(settings: Settings) -> None:
    (settings.checkout / "dvc.yaml").write_text(DVC_YAML.format(wait=2))
    paths = [open_workspace(settings, name).path for name in ("run-1", "run-2")]
    for number, path in enumerate(paths):
        give_rows(path, "a " * (number + 1))
    done: dict[int, subprocess.CompletedProcess[str]] = {}
    threads = [
        threading.Thread(target=lambda n=n: done.__setitem__(n, reproduce(settings, paths[n])))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [done[n].returncode for n in range(2)] == [0, 0], [done[n].stderr for n in range(2)]
    assert [(path / "reports/count.txt").read_text() for path in paths] == ["1 rows", "2 rows"]


def test_reproduce__after_an_edit_leaves_what_the_cache_holds_for_others(settings: Settings) -> None:
    first = open_workspace(settings, "run-1").path
    give_rows(first, "a b c")
    reproduce(settings, first)
    (first / "data/inputs/rows.txt").write_text("a b")

    again = reproduce(settings, first)
    second = open_workspace(settings, "run-2").path
    give_rows(second, "a b c")
    restored = reproduce(settings, second)

    assert again.returncode == 0, again.stderr
    assert (first / "reports/count.txt").read_text() == "2 rows"
    assert "counted in" not in restored.stdout
    assert (second / "reports/count.txt").read_text() == "3 rows"


def test_open_workspace__works_in_an_image_without_git(settings: Settings) -> None:
    with_git = open_workspace(settings, "run-1").snapshot.tree_id
    shutil.rmtree(settings.checkout / ".git")

    workspace = open_workspace(settings, "run-2")
    give_rows(workspace.path, "a")

    assert workspace.snapshot.tree_id == with_git
    assert workspace.snapshot.changed is None
    assert reproduce(settings, workspace.path).returncode == 0
    assert os.access(workspace.path / "pipelines/tool.sh", os.X_OK)
