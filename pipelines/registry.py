"""Tracking and the model registry: the only module that imports mlflow."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

EXPERIMENT = "train_recommender"
MODEL = "recommender"
CHAMPION_ALIAS = "champion"
RUN_TAG = "shoploop.run_id"
BUNDLE_TAG = "shoploop.bundle_sha256"
BUNDLE_ARTIFACT = "bundle"


@dataclass(frozen=True)
class HistoryPoint:
    """One figure of one epoch."""

    name: str
    value: float
    step: int


@dataclass(frozen=True)
class EndedRun:
    """A run of MLflow that is over.

    Attributes:
        mlflow_id: MLflow's id.
        name: Ours, as the web page shows it.
        versions: Of the registered model that were made of it.
    """

    mlflow_id: str
    name: str
    versions: frozenset[str]


class Registry:
    """Runs, versions and the alias of the champion in MLflow.

    Every method may be called again for the same run and leaves one run, one version, one alias.

    Args:
        uri: Tracking URI, ``http://…`` or ``sqlite:///…``.
        patient: Whether to go on asking for minutes when MLflow does not answer.
    """

    def __init__(self, uri: str, patient: bool = True) -> None:
        # No telemetry, and no greeting between the lines of a task's log.
        for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
            os.environ.setdefault(name, "true")
        if not patient:
            os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
        from mlflow import MlflowClient

        self._client, self._uri = MlflowClient(tracking_uri=uri), uri

    def open_run(self, run_id: str, experiment: str = EXPERIMENT, parent: str = "") -> str:
        """The MLflow run that belongs to ``run_id``, made when it is not there; returns MLflow's id.

        Args:
            run_id: Ours.
            experiment: In which it is shown.
            parent: MLflow's id of the run it is a part of.
        """
        place = self._experiment(experiment)
        found = self._client.search_runs([place], f"tags.`{RUN_TAG}` = '{run_id}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        tags = {RUN_TAG: run_id} | ({"mlflow.parentRunId": parent} if parent else {})
        run = self._client.create_run(place, tags=tags, run_name=run_id)
        return str(run.info.run_id)

    def log(
        self,
        run: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        history: Sequence[HistoryPoint],
    ) -> None:
        """Add parameters, metrics and per-epoch history to an MLflow run."""
        from mlflow.entities import Metric, Param

        # 6000 characters is MLflow's limit for a parameter's value.
        rows = [Param(name, str(value)[:6000]) for name, value in params.items()]
        points = [Metric(name, value, 0, 0) for name, value in metrics.items()]
        points += [Metric(point.name, point.value, 0, point.step) for point in history]
        for part in _parts(rows, 100):
            self._client.log_batch(run, params=part)
        for part in _parts(points, 500):
            self._client.log_batch(run, metrics=part)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of an MLflow run."""
        from mlflow.entities import RunTag

        self._client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])

    def attach(self, run: str, path: Path, folder: str = "") -> None:
        """Add a file, or all files of a folder, to an MLflow run."""
        if path.is_dir():
            self._client.log_artifacts(run, str(path), folder or path.name)
        else:
            self._client.log_artifact(run, str(path), folder or None)

    def finish(self, run: str) -> None:
        """Mark an MLflow run as ended well; a refusal is a result too."""
        self._client.set_terminated(run, "FINISHED")

    def register(self, run: str, bundle: Path, bundle_sha256: str, description: str) -> str:
        """Register a bundle as a version without an alias; the same bundle of the same run is one version."""
        self._ensure_model()
        for version in self._client.search_model_versions(f"name='{MODEL}' and run_id='{run}'"):
            if version.tags.get(BUNDLE_TAG) == bundle_sha256:
                return str(version.version)
        self.attach(run, bundle, BUNDLE_ARTIFACT)
        source = f"{self._client.get_run(run).info.artifact_uri}/{BUNDLE_ARTIFACT}"
        made = self._client.create_model_version(
            MODEL, source, run, tags={BUNDLE_TAG: bundle_sha256}, description=description
        )
        return str(made.version)

    def champion(self) -> str | None:
        """The version that the alias names."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(MODEL, CHAMPION_ALIAS).version)
        except MlflowException:
            return None

    def mark_champion(self, version: str | None) -> bool:
        """Make the alias name ``version``, or nothing; returns whether it had to be changed."""
        named = self.champion()
        if named == version:
            return False
        if version is None:
            self._client.delete_registered_model_alias(MODEL, CHAMPION_ALIAS)
        else:
            self._client.set_registered_model_alias(MODEL, CHAMPION_ALIAS, version)
        return True

    def answers(self) -> bool:
        """Whether MLflow can be reached."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.search_experiments(max_results=1)
        except MlflowException:
            return False
        return True

    def ended_runs(self, before: datetime) -> list[EndedRun]:
        """Runs of all experiments that ended before a moment, those of a search among them, oldest first."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        versions: dict[str, set[str]] = {}
        for version in self._client.search_model_versions(f"name='{MODEL}'"):
            versions.setdefault(version.run_id, set()).add(str(version.version))
        found, token = [], None
        while token != "":
            page = self._client.search_runs(
                experiments, f"attributes.end_time < {int(before.timestamp() * 1000)}",
                order_by=["attributes.start_time ASC"], page_token=token,
            )  # fmt: skip
            found += [(run.info.run_id, run.info.run_name) for run in page if run.info.end_time]
            token = page.token or ""
        return [EndedRun(key, name, frozenset(versions.get(key, ()))) for key, name in found]

    def delete_run(self, run: EndedRun) -> None:
        """Delete a run with its versions and files; MLflow shows it among the deleted ones with its figures."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        for version in run.versions:
            self._client.delete_model_version(MODEL, version)
        artifacts = self._client.get_run(run.mlflow_id).info.artifact_uri
        get_artifact_repository(artifacts, tracking_uri=self._uri).delete_artifacts()
        self._client.delete_run(run.mlflow_id)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _ensure_model(self) -> None:
        if not self._client.search_registered_models(f"name='{MODEL}'"):
            self._client.create_registered_model(
                MODEL, description="What the shop recommends; alias: what is live"
            )


def _parts(rows: list[Any], size: int) -> list[list[Any]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
