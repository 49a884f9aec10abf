"""Send what a run's stages wrote to MLflow, whether they ran or came from the cache."""

import csv
import hashlib
import math
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.params import flatten
from pipelines.registry import HistoryPoint, Registry
from pipelines.run_facts import RunFacts, read_json, write_result
from pipelines.snapshot import listed_files
from pipelines.workspace import RUN_FOLDER

REPORTS = ("metrics.json", "decision.json", "validation.json", "known_queries.json", "training_history.csv")


def log_run(registry: Registry, workspace: Path) -> str:
    """Log parameters, metrics, history, plots, decision and lineage of the run; returns MLflow's run id."""
    facts = RunFacts.read(workspace)
    run = registry.open_run(facts.run_id)
    params = yaml.safe_load((workspace / "params.yaml").read_text())
    metrics = read_json(workspace / "reports" / "metrics.json", "evaluate_candidate")
    registry.log(run, dict(flatten(params)), numbers(metrics), read_history(workspace))
    registry.tag(run, _lineage(workspace, facts))
    _attach_files(registry, run, workspace)
    registry.finish(run)
    write_result(workspace, "log_run", {"mlflow_run_id": run})
    return run


def numbers(content: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of nested tables; what else they hold is not a metric."""
    rows = ((name, value) for name, value in flatten(content) if isinstance(value, int | float))
    return {_metric_name(name): float(value) for name, value in rows if math.isfinite(value)}


def read_history(workspace: Path) -> list[HistoryPoint]:
    """Per-epoch figures of the training history; the column ``epoch`` counts, the others are figures."""
    path = workspace / "reports" / "training_history.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [point for row in csv.DictReader(file) for point in _points(row)]


def _points(row: dict[str, str]) -> Iterator[HistoryPoint]:
    step = int(row.pop("epoch"))
    for name, text in row.items():
        if text and math.isfinite(value := float(text)):
            yield HistoryPoint(_metric_name(f"training.{name}"), value, step)


def _lineage(workspace: Path, facts: RunFacts) -> dict[str, str]:
    decision = read_json(workspace / "reports" / "decision.json", "decide_promotion")
    return {
        "verdict": str(decision["verdict"]),
        "decision": str(decision["summary"])[:5000],
        "week": str(facts.week),
        "tree_id": facts.tree_id,
        "dirty": str(facts.dirty).lower(),
        "data_sha256": facts.data_sha256,
        "params_sha256": facts.params_sha256,
        "lock_sha256": facts.lock_sha256,
        "dvc_lock_sha256": hashlib.sha256((workspace / "dvc.lock").read_bytes()).hexdigest(),
        "champion": facts.champion_release_id or "none",
        "reason": facts.reason,
    }


def _attach_files(registry: Registry, run: str, workspace: Path) -> None:
    for name in REPORTS:
        if (workspace / "reports" / name).is_file():
            registry.attach(run, workspace / "reports" / name, "reports")
    if (workspace / "reports" / "plots").is_dir():
        registry.attach(run, workspace / "reports" / "plots", "plots")
    for name in ("dvc.lock", "dvc.yaml", "params.yaml", f"{RUN_FOLDER}/run.json"):
        registry.attach(run, workspace / name, "lineage")
    # A dirty tree is in no commit: without its files the run could not be rebuilt.
    registry.attach(run, _code_archive(workspace), "lineage")


def _code_archive(workspace: Path) -> Path:
    archive = workspace / RUN_FOLDER / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for name in listed_files(workspace):
            if not name.startswith(f"{RUN_FOLDER}/"):
                file.add(workspace / name, name)
    return archive


def _metric_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in "_-. /:" else "_" for char in name)
