"""Finding the training run of a landing, against a server that answers as Airflow 3.3.2 does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.stack.airflow_api import Airflow, AirflowError
from pipelines.stack.runs import asset_run_of

CREATED = {"asset_events": [{"created_dagruns": [{"run_id": "asset-1", "dag_id": "train_recommender"}]}]}


class Answers(BaseHTTPRequestHandler):
    waiting: list[tuple[int, dict]]

    def do_POST(self) -> None:
        self._answer(201, {"access_token": "t"})

    def do_GET(self) -> None:
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
