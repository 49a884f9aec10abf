"""Build a release once more from what was recorded of it, from an empty cache, and compare every hash."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from pipelines.actions.open_run import inputs_sha256, lock_sha256_of
from pipelines.params import params_sha256
from pipelines.ranking.bundle import bundle_sha256
from pipelines.releases.bento_build import content_version, stage_sources
from pipelines.releases.comparing import existing_release
from pipelines.releases.ledger import Ledger
from pipelines.releases.records import Release
from pipelines.run_facts import RunFacts, read_json
from pipelines.settings import Settings
from pipelines.snapshot import Entry, listed_files, tree_id
from pipelines.workspace import WorkspaceError, stage_environment, workspace_path

INPUTS, CANDIDATE, METRICS = Path("data/inputs"), Path("models/candidate"), Path("reports/metrics.json")
OWN_CACHE = "[core]\n    no_scm = true\n"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """One thing that was recorded and is there again, or is not.

    Attributes:
        what: Of which thing.
        recorded: Its hash or figure when the release was made.
        rebuilt: The same of what was built now.
    """

    what: str
    recorded: str
    rebuilt: str

    @property
    def is_same(self) -> bool:
        """Whether they are equal."""
        return self.recorded == self.rebuilt


@dataclass(frozen=True)
class Reproduction:
    """What came of building a release once more.

    Attributes:
        release_id: The release.
        comparisons: Inputs first, then what each stage wrote, then the bundle, the figures and the Bento.
        seconds: Of `dvc repro`.
        workspace: Where it was built; None once it is removed.
    """

    release_id: str
    comparisons: tuple[Comparison, ...]
    seconds: float
    workspace: Path | None

    @property
    def is_same(self) -> bool:
        """Whether everything is."""
        return all(one.is_same for one in self.comparisons)


def reproduce_release(
    settings: Settings, ledger: Ledger, release_id: str, say: Say, keep: bool = False
) -> Reproduction:
    """Run all stages again on the code, parameters and inputs of a release, with an empty cache.

    Args:
        settings: Of this installation.
        ledger: Which knows the release.
        release_id: The release.
        say: Told each line of DVC's.
        keep: Whether the new workspace stays; it does anyway when something differs.

    Raises:
        UnknownRelease: There is no such release.
        WorkspaceError: The workspace of its run is gone, or a stage fails.
    """
    release = existing_release(ledger, release_id)
    origin = _origin(settings, release)
    workspace = settings.workspaces.resolve() / f"reproduce-{release_id}"
    shutil.rmtree(workspace, ignore_errors=True)
    copy_recorded(origin, workspace)
    made_of = tuple(compare_inputs(release, RunFacts.read(origin), workspace))
    began = time.monotonic()
    run_dvc(settings, workspace, say)
    seconds = time.monotonic() - began
    found = (*made_of, *compare_outputs(release, origin, workspace))
    done = Reproduction(release_id, found, seconds, workspace)
    if keep or not done.is_same:
        return done
    shutil.rmtree(workspace)
    return Reproduction(release_id, found, seconds, None)


def copy_recorded(origin: Path, workspace: Path) -> None:
    """Copy code, parameters and inputs of a run, and nothing that it made."""
    for name in listed_files(origin):
        copy = workspace / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin / name, copy, follow_symlinks=False)
    shutil.copytree(origin / INPUTS, workspace / INPUTS, dirs_exist_ok=True)
    (workspace / ".dvc").mkdir(exist_ok=True)
    # A cache of its own: what the shared one holds would come back without being made again.
    (workspace / ".dvc" / "config.local").write_text(OWN_CACHE)


def compare_inputs(release: Release, facts: RunFacts, workspace: Path) -> Iterator[Comparison]:
    """Code, parameters, environment lock and data against what the ledger and the run recorded."""
    if not facts.overrides:  # the form of a run changes params.yaml after its code was counted
        entries = tuple(Entry.read(workspace, name) for name in listed_files(workspace))
        yield Comparison("code", release.tree_id, tree_id(entries))
    yield Comparison("parameters", release.params_sha256, params_sha256(workspace / "params.yaml"))
    yield Comparison("environment lock", release.lock_sha256, lock_sha256_of(workspace))
    yield Comparison("data", facts.data_sha256, inputs_sha256(workspace))


def compare_outputs(release: Release, origin: Path, workspace: Path) -> Iterator[Comparison]:
    """What the stages wrote, the bundle, the candidate's figure and the content of the Bento."""
    then, now = (_outputs(path / "dvc.lock") for path in (origin, workspace))
    for name in dict.fromkeys([*then, *now]):
        yield Comparison(name, then.get(name, "nothing"), now.get(name, "nothing"))
    yield Comparison("bundle", release.bundle_sha256, bundle_sha256(workspace / CANDIDATE))
    yield Comparison("NDCG@10 of the candidate", _figure(origin), _figure(workspace))
    with TemporaryDirectory(prefix="shoploop-reproduce-") as name:
        sources = Path(name) / "src"
        stage_sources(workspace, workspace / CANDIDATE, sources)
        yield Comparison("Bento", release.bento_tag.rpartition("-")[2], content_version(sources))


def _origin(settings: Settings, release: Release) -> Path:
    origin = workspace_path(settings, release.run_id)
    if not (origin / "dvc.lock").is_file() or not (origin / INPUTS).is_dir():
        raise WorkspaceError(
            f"{origin}: the workspace of {release.release_id} is gone, and with it its inputs; `collect_garbage` in "
            "params.yaml says how many releases keep theirs"
        )
    return origin


def run_dvc(settings: Settings, workspace: Path, say: Say, target: str = "") -> None:
    """Run `dvc repro` of all stages, or up to one, on features that no other run shares.

    Raises:
        WorkspaceError: A stage fails.
    """
    environment = stage_environment(settings, workspace)
    environment["SHOPLOOP_FEATURE_BUILDS"] = str(workspace / "run" / "feature-builds")
    command = [sys.executable, "-m", "dvc", "repro", *([target] if target else [])]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(
        command, cwd=workspace, env=environment, text=True, errors="replace", **streams
    ) as process:
        for line in process.stdout or ():
            say(line.rstrip())
    if process.returncode:
        raise WorkspaceError(
            f"{workspace}: `dvc repro` ended with {process.returncode}; what it said is above"
        )


def _outputs(lock: Path) -> dict[str, str]:
    stages = yaml.safe_load(lock.read_text())["stages"]
    return {out["path"]: str(out["md5"]) for stage in stages.values() for out in stage.get("outs", [])}


def _figure(workspace: Path) -> str:
    return str(read_json(workspace / METRICS, "evaluate_candidate")["candidate"]["ndcg_at_10"])
