"""The product's stages and package actions in one workspace, and what they say of what is in it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.run_facts import RunFacts
from pipelines.settings import Settings
from pipelines.tables import read_json
from pipelines.workspace import stage_environment

OUTPUTS = {
    "validate_data": ("data/validated", "reports/validation.json"),
    "split_weeks": ("data/split",),
    "build_features": ("data/features",),
    "fit_baselines": ("models/baselines",),
    "train_sequence": ("models/sequence", "reports/training_history.csv", "run/checkpoints"),
    "blend_candidate": ("models/candidate",),
    "evaluate_candidate": ("reports/metrics.json", "reports/per_user.parquet", "reports/known_queries.json"),
    "decide_promotion": ("reports/decision.json",),
    "build_bento": ("run/build_bento.json",),
    "decide_package": ("run/decide_package.json",),
}
"""What each stage leaves behind, in order; the last two are the package's actions."""
ACTIONS = ("build_bento", "decide_package")
STAGES = tuple(name for name in OUTPUTS if name not in ACTIONS)
SECONDS = 3600
HASHES = ("tree_id", "fingerprint", "data_sha256", "params_sha256", "lock_sha256")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a workspace.

    Attributes:
        verdict: PASS, FAIL, INSUFFICIENT_EVIDENCE, INVALID of the validation or ERROR of a stage.
        caught_by: Names of the checks that do not hold.
        message: Of the first of them.
        passed: Names of the checks that hold.
        seconds: By stage.
    """

    verdict: str
    caught_by: tuple[str, ...]
    message: str
    passed: tuple[str, ...]
    seconds: dict[str, float]

    def counting(self, able: Sequence[str]) -> "Outcome":
        """The same with only the checks that the honest workspace passes: another one cannot tell the two apart."""
        known = {"validation", "stage_error", *able}
        return replace(self, caught_by=tuple(name for name in self.caught_by if name in known))

    def body(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Pipeline:
    """Runs stages in workspaces of one home.

    Args:
        settings: With a home of the benchmark's own.
        say: Told each stage.
    """

    def __init__(self, settings: Settings, say: Say) -> None:
        self._settings, self._say = settings, say

    def run(self, workspace: Path, names: Sequence[str]) -> Outcome:
        """Run stages until one breaks off or a gate refuses, and read what they decided."""
        seconds: dict[str, float] = {}
        for name in names:
            began = time.monotonic()
            fault = self._run(workspace, name)
            seconds[name] = round(time.monotonic() - began, 1)
            self._say(f"  {name}: {seconds[name]} s{' (broke off)' if fault else ''}")
            if fault:
                return _broken(workspace, name, fault, seconds)
        return read_outcome(workspace, seconds)

    def _run(self, workspace: Path, name: str) -> str:
        module = ["pipelines.cli", "action", name, "--workspace", str(workspace)]
        command = [sys.executable, "-m", *(module if name in ACTIONS else [f"pipelines.stages.{name}"])]
        environment = stage_environment(self._settings, workspace)
        try:
            done = subprocess.run(
                command, cwd=workspace, env=environment, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"not done after {SECONDS} s"
        return (done.stdout + done.stderr).strip()[-2000:] or "no word" if done.returncode else ""


def copy_before(honest: Path, stage: str, workspace: Path) -> None:
    """A copy of an honest workspace in which ``stage`` and what follows did not run yet."""
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree(honest, workspace, symlinks=True)
    for name in from_stage(stage, ACTIONS[-1]):
        for output in OUTPUTS[name]:
            path = workspace / output
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def from_stage(first: str, last: str) -> tuple[str, ...]:
    """The stages from one to another, both included."""
    names = tuple(OUTPUTS)
    return names[names.index(first) : names.index(last) + 1]


def write_facts(workspace: Path, week: int) -> None:
    """What the package's actions want to know of a run."""
    facts: dict[str, Any] = dict.fromkeys(HASHES, "0" * 64)
    facts |= {"run_id": workspace.name, "week": week, "dirty": False, "changed": (), "overrides": {}}
    facts |= {"promote": False, "require_approval": False, "reason": "", "champion_release_id": None}
    RunFacts(**facts).write(workspace)


def _broken(workspace: Path, name: str, fault: str, seconds: dict[str, float]) -> Outcome:
    report = workspace / "reports/validation.json"
    if name == "validate_data" and report.is_file() and (faults := read_json(report)["faults"]):
        return Outcome("INVALID", ("validation",), "; ".join(faults[:3]), (), seconds)
    return Outcome("ERROR", ("stage_error",), f"{name}: {fault.splitlines()[-1]}", (), seconds)


def read_outcome(workspace: Path, seconds: dict[str, float]) -> Outcome:
    """What the gates decided, the package's gate where it was asked."""
    file = workspace / "run/decide_package.json"
    decision = read_json(file if file.is_file() else workspace / "reports/decision.json")
    failed = [check for check in decision["checks"] if check["verdict"] != "PASS"]
    passed = tuple(check["name"] for check in decision["checks"] if check["verdict"] == "PASS")
    message = failed[0]["message"] if failed else ""
    return Outcome(decision["verdict"], tuple(check["name"] for check in failed), message, passed, seconds)
