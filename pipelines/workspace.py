"""A workspace per run: a snapshot of the checkout in which one pipeline run works alone.

A snapshot holds tracked and unignored files as they are on disk, so that a feature just edited is
the feature trained. Runs share the DVC cache and nothing else: no checkout, no lock.
"""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import Settings
from pipelines.snapshot import Entry, Snapshot, entries_of_commit, listed_files, tree_id

RUN_FOLDER = "run"
TRAINING = "train_recommender"
"""The DAG whose runs have workspaces of their own names."""


class WorkspaceError(Exception):
    """A workspace cannot be made or used; the message says why and what to do."""


@dataclass(frozen=True)
class Workspace:
    """One run's own copy of the checkout.

    Attributes:
        path: Its folder, ``$SHOPLOOP_HOME/workspaces/<run_id>``.
        snapshot: Which code is in it.
    """

    path: Path
    snapshot: Snapshot


def workspace_path(settings: Settings, run_id: str) -> Path:
    """Where the workspace of ``run_id`` is; distinct run ids never share one."""
    readable = "".join(char if char.isalnum() or char in "-_." else "-" for char in run_id)[:80]
    if readable != run_id or readable.startswith("."):
        # Airflow's run ids hold colons and a plus; a digest keeps two ids apart that read alike.
        readable = f"{readable.lstrip('.')}-{hashlib.sha256(run_id.encode()).hexdigest()[:6]}"
    return settings.workspaces.resolve() / readable


def workspace_of(settings: Settings, dag_id: str, run_id: str) -> Path:
    """Where a run of a DAG works; run ids are unique within a DAG only."""
    return workspace_path(settings, run_id if dag_id == TRAINING else f"{dag_id}-{run_id}")


def open_workspace(settings: Settings, run_id: str) -> Workspace:
    """Copy the checkout into a fresh workspace; one that is there (a task tried again) is replaced.

    Raises:
        WorkspaceError: The checkout is not a shoploop checkout, or cannot be read.
    """
    checkout = settings.checkout.resolve()
    if not (checkout / "params.yaml").is_file():
        raise WorkspaceError(
            f"{checkout}: no params.yaml here; set SHOPLOOP_CHECKOUT to a checkout of shoploop"
        )
    target = workspace_path(settings, run_id)
    building = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    snapshot = _copy(checkout, building)
    _write_dvc_settings(settings, building)
    (building / RUN_FOLDER).mkdir()
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    return Workspace(target, snapshot)


def stage_environment(settings: Settings, workspace: Path) -> dict[str, str]:
    """The environment of what runs inside ``workspace``: its own code, this interpreter, fixed numerics."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "GIT_"))
    }
    binaries = str(Path(sys.executable).parent)
    caches = settings.home.resolve() / "cache"
    return inherited | {
        "PATH": f"{binaries}{os.pathsep}{inherited.get('PATH', '')}",
        "PYTHONPATH": str(workspace),
        "PYTHONUNBUFFERED": "1",
        "SHOPLOOP_HOME": str(settings.home.resolve()),
        "SHOPLOOP_CHECKOUT": str(settings.checkout.resolve()),
        # A side cache, never an output: what is built from it is what would be built without.
        "SHOPLOOP_FEATURE_BUILDS": str((settings.feature_builds or caches / "feature-builds").resolve()),
        "DVC_GLOBAL_CONFIG_DIR": str(caches / "dvc-global"),
        "DVC_SYSTEM_CONFIG_DIR": str(caches / "dvc-system"),
        "DVC_SITE_CACHE_DIR": str(caches / "dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        "PYTHONHASHSEED": "0",
        "TF_DETERMINISTIC_OPS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def _copy(checkout: Path, target: Path) -> Snapshot:
    committed = entries_of_commit(checkout)
    entries = tuple(_copy_file(checkout, target, name) for name in listed_files(checkout))
    return Snapshot(tree_id(entries), _changed(entries, committed), checkout)


def _copy_file(checkout: Path, target: Path, name: str) -> Entry:
    source, copy = checkout / name, target / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        copy.symlink_to(os.readlink(source))
    else:
        shutil.copy2(source, copy)
    # Hashed after the copy and from the copy: what is recorded is what runs, even if someone types meanwhile.
    return Entry.read(target, name)


def _changed(entries: tuple[Entry, ...], committed: frozenset[Entry] | None) -> tuple[str, ...] | None:
    if committed is None:
        return None
    return tuple(sorted({entry.path for entry in committed.symmetric_difference(entries)}))


def _write_dvc_settings(settings: Settings, workspace: Path) -> None:
    folder = workspace / ".dvc"
    folder.mkdir(exist_ok=True)
    # Hard links spare the disk one copy of every output per run; DVC keeps them read-only and removes
    # an output before its stage writes it, so the shared cache cannot be written through a link.
    lines = ["[core]", "    no_scm = true", "[cache]", f"    dir = {settings.dvc_cache.resolve()}"]
    lines.append("    type = hardlink,copy")
    (folder / "config.local").write_text("\n".join(lines) + "\n")
