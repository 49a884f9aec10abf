"""A whole shop for tests: the real stack in a home of its own, on a copy of this checkout."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from pipelines.settings import Settings
from pipelines.snapshot import listed_files
from pipelines.stack.airflow_api import DAGS, Airflow
from pipelines.stack.passwords import passwords
from pipelines.stack.processes import recorded
from pipelines.stack.runs import asset_run_of
from pipelines.workspace import workspace_path
from tests.workspace.test_snapshot import git

ROOT = Path(__file__).parents[2]
INGEST, TRAIN, ROLLBACK = "ingest_events", "train_recommender", "rollback_release"
ENDED = ("success", "failed")
RUN_SECONDS = 1800


def copy_checkout(target: Path, changes: dict[str, Any]) -> None:
    """This checkout at ``target``, committed, with ``changes`` of ``params.yaml`` by dotted key."""
    for name in listed_files(ROOT):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    params = yaml.safe_load((target / "params.yaml").read_text())
    for key, value in changes.items():
        section, name = key.split(".")
        assert name in params[section], key
        params[section][name] = value
    (target / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    git(target, "init", "-q")
    git(target, "add", "-A")
    git(target, "commit", "-qm", "The shop under test")


@dataclass
class Load:
    """Requests sent to the endpoint until told to stop, and what came of them."""

    url: str
    outcomes: Counter[str] = field(default_factory=Counter)
    releases: list[str] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False) as client:
            while not self._stop.wait(0.05):
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        try:
            answer = client.post("/v1/recommendations", json={"user_id": "1", "k": 10})
        except httpx.HTTPError as error:
            self.outcomes[type(error).__name__] += 1
            return
        self.outcomes[str(answer.status_code)] += 1
        if answer.status_code == 200 and answer.json()["release"] not in self.releases[-1:]:
            self.releases.append(answer.json()["release"])


class RunningShop:
    """The stack, and what a test asks of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.airflow = Airflow(settings)

    def shoploop(self, *words: str, timeout: float = 300) -> str:
        """Run `shoploop …` as a person would in the checkout."""
        ports = {f"SHOPLOOP_{name.upper()}": str(getattr(self.settings, name)) for name in PORTS}
        environment = (
            os.environ
            | ports
            | {
                "SHOPLOOP_HOME": str(self.settings.home),
                "SHOPLOOP_CHECKOUT": str(self.settings.checkout),
                "SHOPLOOP_ALERT_WEBHOOK": self.settings.alert_webhook,
            }
        )
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *words],
            cwd=self.settings.checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"shoploop {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def trigger(self, dag_id: str, **conf: Any) -> str:
        return str(self.airflow.trigger(dag_id, conf)["dag_run_id"])

    def wait(self, dag_id: str, run_id: str, seconds: float = RUN_SECONDS) -> str:
        """The state in which a run ended."""
        end = time.monotonic() + seconds
        while (state := self.airflow.run(dag_id, run_id)["state"]) not in ENDED:
            assert time.monotonic() < end, f"{dag_id} {run_id} is {state}: {self.states(dag_id, run_id)}"
            time.sleep(1)
        return str(state)

    def wait_for_task(self, dag_id: str, run_id: str, task_id: str, states: tuple[str, ...]) -> str:
        end = time.monotonic() + RUN_SECONDS
        while (state := self.states(dag_id, run_id).get(task_id)) not in states:
            assert time.monotonic() < end, f"{task_id} is {state}"
            assert self.airflow.run(dag_id, run_id)["state"] not in ENDED, self.explain(dag_id, run_id)
            time.sleep(0.5)
        return str(state)

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        return {task["task_id"]: task["state"] for task in self.airflow.tasks(dag_id, run_id)}

    def training_after(self, ingest_run: str) -> str:
        """The training run that an ingest run's asset event started."""
        found = asset_run_of(self.airflow, ingest_run, seconds=120)
        assert found, "the asset `events` started no training"
        return found

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """What the button *Clear task* does."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "include_downstream": True,
            "only_failed": False,
        }
        self.airflow.request(
            "POST", f"{DAGS}/{dag_id}/clearTaskInstances", json=body | {"reset_dag_runs": True}
        )

    @contextmanager
    def edited(self, name: str, edit: Callable[[str], str]) -> Iterator[None]:
        """A file of the checkout as a person edited it, not committed; put back afterwards."""
        file = self.settings.checkout / name
        original = file.read_text()
        file.write_text(edit(original))
        try:
            yield
        finally:
            file.write_text(original)

    def note(self, dag_id: str, run_id: str) -> str:
        return str(self.airflow.run(dag_id, run_id)["note"])

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        tries = {task["task_id"]: task["try_number"] for task in self.airflow.tasks(dag_id, run_id)}
        return "\n".join(self.airflow.log_lines(dag_id, run_id, task_id, tries[task_id]))

    def explain(self, dag_id: str, run_id: str) -> str:
        """States of a run's tasks, and the log of each that failed."""
        states = self.states(dag_id, run_id)
        logs = [
            f"--- {task}\n{self.log(dag_id, run_id, task)}"
            for task, state in states.items()
            if state == "failed"
        ]
        return f"{states}\n" + "\n".join(logs)

    def workspace(self, run_id: str) -> Path:
        return workspace_path(self.settings, run_id)

    def facts(self, run_id: str) -> dict[str, Any]:
        return dict(json.loads((self.workspace(run_id) / "run/run.json").read_text()))

    def decision(self, run_id: str) -> dict[str, Any]:
        return dict(json.loads((self.workspace(run_id) / "reports/decision.json").read_text()))

    def ask(self, user_id: str = "1") -> dict[str, Any]:
        """Ten recommendations from the endpoint."""
        return self.post("/v1/recommendations", {"user_id": user_id, "k": 10})

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the endpoint answers."""
        answer = httpx.post(f"{self.settings.endpoint}{path}", json=body, trust_env=False)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def put_item(self, item_id: str, **facts: Any) -> None:
        """Say what is so of an item."""
        headers = {"authorization": f"Bearer {passwords(self.settings).admin_token}"}
        url = f"{self.settings.endpoint}/v1/items/{item_id}"
        answer = httpx.put(url, json=facts, headers=headers, trust_env=False)
        assert answer.status_code == 200, answer.text

    def live(self) -> str:
        """The release that answers."""
        return str(self.ask()["release"])

    def load(self) -> Load:
        return Load(self.settings.endpoint)

    def kill(self, component: str) -> None:
        """End a process of the stack as a power cut would."""
        record = recorded(self.settings, component)
        assert record, f"{component} does not run"
        os.killpg(record.pid, 9)


PORTS = ("port_airflow", "port_mlflow", "port_endpoint")
