"""The real Airflow and MLflow: up, a run, a crash, up again, down; nothing outside the home is written."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.settings import Settings
from pipelines.stack import processes
from pipelines.stack.airflow_api import Airflow
from pipelines.stack.passwords import passwords
from tests.processes import runs, wait_until_dead

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def user_home(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


def shoploop(settings: Settings, user_home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    chosen = {f"SHOPLOOP_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    # As a newcomer has it: no variable of this test run's own, and a home that was never used.
    environment = {"PATH": os.environ["PATH"], "HOME": str(user_home)} | chosen
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=400)


def state_of(settings: Settings, user_home: Path) -> dict[str, str]:
    found = json.loads(shoploop(settings, user_home, "status", "--json").stdout)
    return {part["name"]: part["state"] for part in found["parts"]}


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> Settings:
    """A checkout whose DAGs do little."""
    folder = tmp_path / "checkout" / "dags"
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "shop_dags.py", folder / "dags.py")
    (folder / "broken").touch()
    return settings.model_copy(update={"checkout": folder.parent})


def test_stack__comes_up_survives_a_crash_and_goes_down_whole(shop: Settings, user_home: Path) -> None:
    settings = shop
    try:
        first = shoploop(settings, user_home, "up")
        assert first.returncode == 0, first.stdout + first.stderr
        assert set(state_of(settings, user_home).values()) == {"healthy"}
        assert Airflow(settings).request("GET", "/api/v2/pools/gpu")["slots"] == 1
        _mlflow_asks_for_the_kept_password(settings)
        _run_says_which_task_failed(settings, user_home)
        _run_follows_the_one_training_that_its_landing_starts(settings, user_home)
        _scheduler_is_restarted_alone(settings, user_home)
        _down_finds_what_a_crash_left(settings, user_home)
    finally:
        shoploop(settings, user_home, "down")
    assert list(user_home.iterdir()) == []


def _mlflow_asks_for_the_kept_password(settings: Settings) -> None:
    known = passwords(settings)
    with httpx.Client(base_url=settings.mlflow, trust_env=False) as client:
        assert client.get("/").status_code == 401
        assert client.get("/", auth=(known.mlflow_user, "guessed")).status_code == 401
        assert client.get("/", auth=(known.mlflow_user, known.mlflow_password)).status_code == 200


def _run_says_which_task_failed(settings: Settings, user_home: Path) -> None:
    done = shoploop(settings, user_home, "run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The stack was up already" in done.stdout
    assert "train_sequence         FAILED" in done.stdout
    assert "Task train_sequence failed at try 1" in done.stderr
    assert "RuntimeError: the loss is not a number" in done.stderr
    log = done.stderr.split("Full log: ")[1].splitlines()[0]
    assert "the loss is not a number" in Path(log).read_text()


def _run_follows_the_one_training_that_its_landing_starts(settings: Settings, user_home: Path) -> None:
    (settings.checkout / "dags" / "broken").unlink()
    done = shoploop(settings, user_home, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split()[0] for line in done.stdout.splitlines() if " done " in line]
    assert told == ["publish_events", "train_sequence", "finished"]
    assert passwords(settings).airflow_password in done.stdout  # how to log in is said at the end
    airflow = Airflow(settings)
    assert len(airflow.runs("ingest_events")) == len(airflow.runs("train_recommender")) == 2


def _scheduler_is_restarted_alone(settings: Settings, user_home: Path) -> None:
    before = processes.recorded(settings, "airflow-api-server")
    scheduler = processes.recorded(settings, "airflow-scheduler")
    assert scheduler is not None
    os.kill(scheduler.pid, signal.SIGKILL)
    wait_until_dead(scheduler.pid)
    assert state_of(settings, user_home)["airflow-scheduler"] == "stopped"
    again = shoploop(settings, user_home, "up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Airflow scheduler is ready" in again.stdout
    assert "starting MLflow" not in again.stdout
    assert processes.recorded(settings, "airflow-api-server") == before


def _down_finds_what_a_crash_left(settings: Settings, user_home: Path) -> None:
    marked = {process.pid for process in processes.marked(settings)}
    leaders = [path.stem for path in (settings.home / "processes").glob("*.json")]
    for name in leaders:
        record = processes.recorded(settings, name)
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
    left = {process.pid for process in processes.marked(settings)}
    assert len(left) < len(marked)
    done = shoploop(settings, user_home, "down")
    assert done.returncode == 0, done.stderr
    assert list(processes.marked(settings)) == []
    assert not any(runs(pid) for pid in marked)
    assert living_in(settings.home) == []


def living_in(home: Path) -> list[str]:
    """Processes that were started in ``home``, whatever became of their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(home.resolve()):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found
