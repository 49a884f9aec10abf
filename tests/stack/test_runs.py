"""Finding the training run of a landing, against a server that answers as Airflow 3.3.2 does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.stack.airflow_api import Airflow, AirflowError
from pipelines.stack.files import write_json
from pipelines.stack.runs import asset_run_of, last_finished_training
from pipelines.workspace import workspace_path

CREATED = {"asset_events": [{"created_dagruns": [{"run_id": "asset-1", "dag_id": "train_recommender"}]}]}


class Answers(BaseHTTPRequestHandler):
    """Answers ``waiting`` one after the other, the last again and again; ``runs`` to who asks for a DAG's runs."""

    waiting: list[tuple[int, dict]]
    runs: list[dict]

    def do_POST(self) -> None:
        self._answer(201, {"access_token": "t"})

    def do_GET(self) -> None:
        if "/dagRuns" in self.path:
            self._answer(200, {"dag_runs": self.runs})
            return
        self._answer(*(self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]))

    def _answer(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Airflow]:
    Answers.runs = []
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Airflow(Settings(home=tmp_path, port_airflow=server.server_port))
    server.shutdown()
    thread.join()
    server.server_close()


def test_asset_run_of__waits_while_the_queued_run_cannot_be_described(airflow: Airflow) -> None:
    Answers.waiting = [(500, {}), (500, {}), (200, CREATED)]
    assert asset_run_of(airflow, "ingest-1") == "asset-1"


def test_asset_run_of__nothing_published_started_nothing(airflow: Airflow) -> None:
    Answers.waiting = [(200, {"asset_events": []})]
    assert asset_run_of(airflow, "ingest-1") is None


def test_asset_run_of__a_server_that_stays_broken_is_an_error(airflow: Airflow) -> None:
    Answers.waiting = [(500, {})]
    with pytest.raises(AirflowError, match="500"):
        asset_run_of(airflow, "ingest-1", seconds=0.6)


def a_run(run_id: str, state: str, run_type: str = "manual") -> dict[str, str]:
    return {"dag_run_id": run_id, "state": state, "run_type": run_type}


def test_asset_run_of__that_waits_for_a_running_training_is_found_among_the_runs(airflow: Airflow) -> None:
    Answers.waiting = [(500, {})]
    Answers.runs = [
        a_run("manual-2", "queued"),
        a_run("asset-2", "queued", "asset_triggered"),
        a_run("asset-1", "running", "asset_triggered"),
    ]
    assert asset_run_of(airflow, "ingest-1", seconds=0.1) == "asset-2"
    Answers.runs.pop(1)
    with pytest.raises(AirflowError, match="500"):
        asset_run_of(airflow, "ingest-1", seconds=0.1)


def test_last_finished_training__is_none_that_only_its_package_was_refused(
    airflow: Airflow, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    Answers.runs = [a_run("run-2", "success"), a_run("run-1", "success")]
    for run_id in ("run-1", "run-2"):
        write_json(workspace_path(settings, run_id) / "run/run.json", {"week": 44, "tree_id": run_id})
    package = workspace_path(settings, "run-2") / "run/decide_package.json"

    write_json(package, {"branch": "release_model"})
    assert last_finished_training(settings, airflow)["dag_run_id"] == "run-2"
    write_json(package, {"branch": "refused_package"})
    assert last_finished_training(settings, airflow)["dag_run_id"] == "run-1"
