"""Remove what nothing needs any more: workspaces, Bentos, cached files and MLflow runs, by a retention policy."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from pipelines.params import CollectGarbage
from pipelines.registry import Registry
from pipelines.releases.bento_build import delete_bento, stored_bentos
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release, utc_now
from pipelines.releases.status import EndpointDown, read_status
from pipelines.run_facts import write_result
from pipelines.settings import Settings
from pipelines.workspace import RUN_FOLDER, WorkspaceError, stage_environment, workspace_path


@dataclass(frozen=True)
class Rubbish:
    """Something that was removed, or would be.

    Attributes:
        kind: ``workspace``, ``bento``, ``cache`` or ``mlflow run``.
        name: Of it, as a person knows it.
        mebibytes: That it holds by itself; files shared by hard links count once.
    """

    kind: str
    name: str
    mebibytes: float


def collect_garbage(
    settings: Settings,
    policy: CollectGarbage,
    ledger: Ledger,
    registry: Registry | None,
    dry: bool = False,
    workspace: Path | None = None,
) -> list[Rubbish]:
    """Remove what is older than the policy's days and belongs to no release that is kept.

    Nothing of the live, the previous and a prepared release is touched, nor anything that a process works in; the
    ledger keeps every row. Doing it again removes nothing more.

    Args:
        settings: Of this installation.
        policy: What is kept.
        ledger: Which releases there are.
        registry: None leaves MLflow alone.
        dry: Only tell.
        workspace: Of the DAG run that asks; writes ``run/collect_garbage.json`` there.

    Raises:
        WorkspaceError: DVC cannot clean its cache; the message ends with what it printed.
    """
    kept = kept_releases(settings, policy, ledger)
    before, used = utc_now() - timedelta(days=policy.days_kept), places_in_use()
    found = [
        *_workspaces(settings, kept, before, used, dry),
        *_bentos(settings, kept, before, used, dry),
        *_cache(settings, used, dry),
        *(_mlflow_runs(registry, kept, before, dry) if registry else ()),
    ]
    if workspace is not None:
        (workspace / RUN_FOLDER).mkdir(parents=True, exist_ok=True)
        write_result(workspace, "collect_garbage", describe(found))
    return found


def describe(found: Sequence[Rubbish]) -> dict[str, Any]:
    """For JSON, with a sentence for the run's note."""
    total = sum(one.mebibytes for one in found)
    count = "1 thing" if len(found) == 1 else f"{len(found)} things"
    note = f"{count} removed, {total:,.1f} MiB" if found else "nothing to remove"
    return {"removed": [asdict(one) for one in found], "mebibytes": round(total, 1), "note": note}


def kept_releases(settings: Settings, policy: CollectGarbage, ledger: Ledger) -> list[Release]:
    """The newest few, and whatever the endpoint has or is asked to have running."""
    plan, releases = ledger.plan(), ledger.releases()
    needed = {release.release_id for release in (plan.live, plan.previous, plan.candidate_release) if release}
    needed |= {release.release_id for release, _ in plan.prepared} | _running(settings)
    needed |= {release.release_id for release in releases[: policy.releases_kept]}
    return [release for release in releases if release.release_id in needed]


def _running(settings: Settings) -> set[str]:
    try:
        return set(read_status(settings).releases)
    except EndpointDown:
        return set()


def _workspaces(
    settings: Settings, kept: Sequence[Release], before: datetime, used: Sequence[str], dry: bool
) -> Iterator[Rubbish]:
    needed = {workspace_path(settings, release.run_id) for release in kept}
    for folder in _folders(settings.workspaces.resolve()):
        if folder in needed or last_change(folder) >= before.timestamp() or _is_in(used, folder):
            continue
        yield Rubbish("workspace", folder.name, _mebibytes(folder))
        if not dry:
            shutil.rmtree(folder, ignore_errors=True)


def _bentos(
    settings: Settings, kept: Sequence[Release], before: datetime, used: Sequence[str], dry: bool
) -> Iterator[Rubbish]:
    needed = {release.bento_tag for release in kept}
    for tag, folder in stored_bentos(settings.bentoml_home):
        if tag in needed or last_change(folder) >= before.timestamp() or _is_in(used, folder):
            continue
        yield Rubbish("bento", tag, _mebibytes(folder))
        if not dry:
            delete_bento(tag, settings.bentoml_home)


def _cache(settings: Settings, used: Sequence[str], dry: bool) -> Iterator[Rubbish]:
    """Files of the DVC cache that no workspace refers to; left alone while a run may be adding some."""
    workspaces = [path for path in _folders(settings.workspaces.resolve()) if _is_project(path)]
    if dry or not workspaces or any(_is_in(used, path) for path in workspaces):
        return
    size = _mebibytes(settings.dvc_cache, shared=True)
    first, *others = workspaces
    command = [sys.executable, "-m", "dvc", "gc", "--workspace", "--force", "--quiet"]
    command += ["--projects", *map(str, others)] if others else []
    done = subprocess.run(
        command, cwd=first, env=stage_environment(settings, first), capture_output=True, text=True
    )
    if done.returncode:
        raise WorkspaceError(
            f"{settings.dvc_cache}: `dvc gc` failed in {first}; it printed\n{done.stderr[-2000:]}"
        )
    freed = size - _mebibytes(settings.dvc_cache, shared=True)
    if freed > 0:
        yield Rubbish("cache", str(settings.dvc_cache), freed)


def _is_project(folder: Path) -> bool:
    # One whose name begins with a dot was being copied when its run was killed.
    return (folder / ".dvc").is_dir() and not folder.name.startswith(".")


def _mlflow_runs(
    registry: Registry, kept: Sequence[Release], before: datetime, dry: bool
) -> Iterator[Rubbish]:
    needed = {release.model_version for release in kept}
    for run in registry.ended_runs(before):
        if needed.isdisjoint(run.versions):
            yield Rubbish("mlflow run", run.name, 0.0)
            if not dry:
                registry.delete_run(run)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def last_change(folder: Path) -> float:
    """When anything directly in a folder, or in the results of its run, was changed last (seconds since the epoch)."""
    places = [folder, *folder.iterdir(), *(folder / RUN_FOLDER).glob("*")]
    return max(path.lstat().st_mtime for path in places)


def places_in_use() -> list[str]:
    """Where other processes work, and what they were started with."""
    words: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid():
                words += [process.cwd(), *process.cmdline()]
    return words


def _is_in(words: Sequence[str], folder: Path) -> bool:
    return any(str(folder) in word for word in words)


def _mebibytes(folder: Path, shared: bool = False) -> float:
    """Of the files of a folder; without ``shared`` those that are hard-linked elsewhere too are not counted."""
    total = 0
    for file in folder.rglob("*"):
        state = file.lstat()
        if file.is_file() and (shared or state.st_nlink == 1):
            total += state.st_size
    return total / 2**20
