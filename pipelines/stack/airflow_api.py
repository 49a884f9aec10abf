"""Airflow's REST API as far as the commands need it."""

from collections.abc import Iterator
from typing import Any

import httpx

from pipelines.settings import Settings
from pipelines.stack.passwords import passwords

DAGS = "/api/v2/dags"
FINISHED_STATES = ("success", "failed", "skipped", "upstream_failed", "removed")


class AirflowError(Exception):
    """Airflow refused or does not answer; the message says what was asked and what came back."""


class AirflowServerError(AirflowError):
    """Airflow failed at a request that was in order; asking again may help."""


class Airflow:
    """A logged-in client of the local Airflow.

    Args:
        settings: Where Airflow is; the password is read from its home.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # No proxy from the environment: Airflow is on this machine.
        self._http = httpx.Client(base_url=settings.airflow, timeout=30, trust_env=False)
        self._token = ""

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Call the API and give its JSON.

        Raises:
            AirflowError: No answer, or an answer that is an error.
        """
        answer = self._send(method, path, **arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = ""  # the token expired, or Airflow was started anew
            answer = self._send(method, path, **arguments)
        if answer.is_error:
            kind = AirflowServerError if answer.is_server_error else AirflowError
            raise kind(f"Airflow refused {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def ensure_pool(self, name: str, slots: int, description: str) -> None:
        """Make the pool unless it is there; a person's own change of its slots is respected."""
        answer = self._send("GET", f"/api/v2/pools/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
            self.request("POST", "/api/v2/pools", json=body)

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> dict[str, Any]:
        """Start a run; returns it."""
        run: dict[str, Any] = self.request(
            "POST", f"{DAGS}/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf}
        )
        return run

    def runs(self, dag_id: str, limit: int = 25) -> list[dict[str, Any]]:
        """The latest runs of a DAG, newest first."""
        query = {"order_by": "-run_after", "limit": limit}
        found: list[dict[str, Any]] = self.request("GET", f"{DAGS}/{dag_id}/dagRuns", params=query)[
            "dag_runs"
        ]
        return found

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run."""
        found: dict[str, Any] = self.request("GET", f"{DAGS}/{dag_id}/dagRuns/{run_id}")
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        path = f"{DAGS}/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = self.request("GET", path, params={"limit": 100})["task_instances"]
        return found

    def dag_ids(self) -> set[str]:
        """The DAGs that the processor has read."""
        return {dag["dag_id"] for dag in self.request("GET", DAGS, params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """Why DAG files cannot be read, one text per file."""
        found = self.request("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}:\n{error['stack_trace']}" for error in found]

    def log_lines(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> Iterator[str]:
        """What a try of a task logged, line by line."""
        path = f"{DAGS}/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{max(try_number, 1)}"
        content = self.request("GET", path, headers={"Accept": "application/json"})["content"]
        for line in content:
            yield line if isinstance(line, str) else str(line.get("event", line))
            # Airflow keeps the exception apart from the line that reports it.
            for error in [] if isinstance(line, str) else line.get("error_detail") or []:
                yield f"{error['exc_type']}: {error['exc_value']}"

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._login()}"} | arguments.pop("headers", {})
        try:
            return self._http.request(method, path, headers=headers, **arguments)
        except httpx.HTTPError as error:
            raise AirflowError(self._silence(error)) from error

    def _login(self) -> str:
        if not self._token:
            known = passwords(self._settings)
            body = {"username": known.airflow_user, "password": known.airflow_password}
            try:
                answer = self._http.post("/auth/token", json=body)
            except httpx.HTTPError as error:
                raise AirflowError(self._silence(error)) from error
            if answer.is_error:
                raise AirflowError(f"Airflow refused the login: {answer.status_code} {answer.text[:300]}")
            self._token = answer.json()["access_token"]
        return self._token

    def _silence(self, error: httpx.HTTPError) -> str:
        remedy = "run `shoploop status`, then `shoploop up`"
        return f"Airflow does not answer at {self._settings.airflow} ({error}); {remedy}"
