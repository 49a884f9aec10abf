"""The registry against a real MLflow server on SQLite."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.actions import finish_run
from pipelines.registry import BUNDLE_ARTIFACT, CHAMPION_ALIAS, MODEL, HistoryPoint, Registry
from pipelines.releases.ledger import Ledger
from pipelines.run_facts import RunFacts, write_result
from pipelines.settings import Settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "a"),
    ]
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        log.close()


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the MLflow server did not start")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate/bundle.json").write_text('{"files": {}}')
    (tmp_path / "candidate/weights.npz").write_bytes(bytes(range(256)))
    return tmp_path / "candidate"


def test_open_run__again_is_the_same_mlflow_run(server: str) -> None:
    registry = Registry(server)

    assert registry.open_run("manual__2026-11-23T10:00:00+00:00") == registry.open_run(
        "manual__2026-11-23T10:00:00+00:00"
    )
    assert registry.open_run("another") != registry.open_run("manual__2026-11-23T10:00:00+00:00")


def test_log__twice_keeps_parameters_metrics_and_the_whole_history(server: str) -> None:
    from mlflow import MlflowClient

    registry, client = Registry(server), MlflowClient(server)
    run = registry.open_run("logged")
    history = [HistoryPoint("training.loss", 1 / (step + 1), step) for step in range(3)]
    params = {f"section.name_{number}": number for number in range(150)}
    for _ in range(2):
        registry.log(run, params, {"blend.ndcg_at_10": 0.31}, history)

    logged = client.get_run(run).data
    assert len(logged.params) == 150
    assert logged.metrics["blend.ndcg_at_10"] == pytest.approx(0.31)
    steps = sorted((point.step, point.value) for point in client.get_metric_history(run, "training.loss"))
    assert steps == [(0, 1.0), (1, 0.5), (2, 1 / 3)]


def test_register__again_is_one_version_without_alias_and_byte_for_byte(
    server: str, bundle: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    registry, client = Registry(server), MlflowClient(server)
    run = registry.open_run("registered")
    first = registry.register(run, bundle, "sha", "PASS: it beats all")
    second = registry.register(run, bundle, "sha", "PASS: it beats all")

    assert first == second
    version = client.get_model_version(MODEL, first)
    assert version.aliases == []
    assert version.description == "PASS: it beats all"
    client.download_artifacts(run, BUNDLE_ARTIFACT, str(tmp_path))
    assert (tmp_path / BUNDLE_ARTIFACT / "weights.npz").read_bytes() == bytes(range(256))


def test_mark_champion__follows_the_ledger_also_back_to_nothing(server: str, bundle: Path) -> None:
    from mlflow import MlflowClient

    registry, client = Registry(server), MlflowClient(server)
    versions = [registry.register(registry.open_run(f"run {n}"), bundle, f"sha {n}", "") for n in range(2)]

    assert registry.mark_champion(versions[0])
    assert registry.mark_champion(versions[1])
    assert not registry.mark_champion(versions[1])
    assert client.get_model_version_by_alias(MODEL, CHAMPION_ALIAS).version == versions[1]
    assert registry.mark_champion(None)
    assert registry.champion() is None


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of a run whose candidate passed and whose package did not."""
    facts = RunFacts("r", 44, "t", False, (), "f", "d", "p", "l", {}, True, False, "", None)
    facts.write(tmp_path)
    write_result(tmp_path, "read_decision", {"decision_id": "d-1", "note": "PASS"})
    write_result(tmp_path, "decide_package", {"summary": "FAIL: p99 is 300 ms", "branch": "refused_package"})
    # MLflow's own defaults; said here, so that what the action sets instead is taken back after the test.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    return tmp_path


def test_finish_run__tells_mlflow_of_the_package_decision(
    server: str, judged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    run, client = Registry(server).open_run("package refused"), MlflowClient(server)
    write_result(judged, "log_run", {"mlflow_run_id": run})
    monkeypatch.setattr(finish_run, "settings", lambda: Settings(home=judged, mlflow_url=server))

    said = finish_run.finish_run(Ledger(f"sqlite:///{judged}/ledger.db"), judged, "refused_package")

    assert said == "refused_package: FAIL: p99 is 300 ms"
    assert client.get_run(run).data.tags["outcome"] == "refused_package"
    assert "300 ms" in Path(client.download_artifacts(run, "reports/decide_package.json")).read_text()


def test_finish_run__does_not_need_mlflow(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_result(judged, "log_run", {"mlflow_run_id": "0" * 32})
    ledger = Ledger(f"sqlite:///{judged}/ledger.db")
    silent = Settings(home=judged, mlflow_url="http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setattr(finish_run, "settings", lambda: silent)
    began = time.monotonic()

    said = finish_run.finish_run(ledger, judged, "not_promoted")

    assert said.startswith("not_promoted: PASS (not in MLflow: ")
    assert ledger.seen("f").outcome == "not_promoted"
    assert time.monotonic() - began < 60


def test_ended_runs__are_deleted_with_versions_and_files_and_others_stay(server: str, bundle: Path) -> None:
    from mlflow import MlflowClient

    registry, client = Registry(server), MlflowClient(server)
    runs = {name: registry.open_run(name) for name in ("to go", "to stay", "under way")}
    versions = {name: registry.register(runs[name], bundle, name, "") for name in ("to go", "to stay")}
    for name in versions:
        registry.finish(runs[name])
    later = datetime.now(UTC) + timedelta(minutes=1)

    ended = {run.name: run for run in registry.ended_runs(later)}
    registry.delete_run(ended["to go"])

    assert {"to go", "to stay"} <= set(ended)
    assert "under way" not in ended
    assert ended["to go"].versions == {versions["to go"]}
    assert "to go" not in {run.name for run in registry.ended_runs(later)}
    assert registry.ended_runs(later - timedelta(days=1)) == []
    assert client.get_run(runs["to go"]).info.lifecycle_stage == "deleted"
    assert client.list_artifacts(runs["to go"]) == []
    assert [file.path for file in client.list_artifacts(runs["to stay"])] == [BUNDLE_ARTIFACT]
    left = client.search_model_versions(f"name='{MODEL}'")
    assert versions["to stay"] in {version.version for version in left}
    assert versions["to go"] not in {version.version for version in left}
