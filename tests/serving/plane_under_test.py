"""A real data plane: its own process, its own state, a tiny shop."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipelines.releases.rehearsal import free_ports, set_clock
from serving.state import ShopperState
from serving.stores import open_state
from tests.serving.tiny_bundle import NOW, tea_drinker, write_tiny_bundle

TOKEN = "of-the-event-log"
ADMIN_TOKEN = "of-the-shop"
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Plane:
    """A started data plane."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    state_url: str = ""

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded answer of one request; ``bytes`` and ``str`` bodies are sent as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kind = answer.headers["content-type"]
        return answer.status, json.loads(content) if kind == "application/json" else content.decode()

    def recommend(self, user_id: str, k: int = 10) -> Any:
        """A good answer for a shopper."""
        status, answer = self.ask("POST", "/v1/recommendations", {"user_id": user_id, "k": k})
        assert status == 200, answer
        return answer

    def post(self, *events: dict[str, Any]) -> tuple[int, Any]:
        """Post events as a batch."""
        return self.ask("POST", "/v1/events", list(events))

    def put(self, item_id: str, **facts: Any) -> tuple[int, Any]:
        """Say what is so of an item, as the shop does."""
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        return self.ask("PUT", f"/v1/items/{quote(item_id, safe='')}", facts, headers)

    def wait(self, status: int = 200, seconds: float = 20) -> Any:
        """Wait until ``/readyz`` answers with a status."""
        for _ in range(int(seconds * 20)):
            try:
                found, answer = self.ask("GET", "/readyz")
                if found == status:
                    return answer
            except OSError:
                assert self.process.poll() is None, self.log
            time.sleep(0.05)
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log.txt").read_text()

    def state(self) -> ShopperState:
        """What it knows, seen past it."""
        return open_state(self.state_url, self.state_file)

    @property
    def state_file(self) -> Path:
        """Its state."""
        return self.folder / "state" / "shopper.db"


def purchase(event_id: str, user_id: str = "1", item_id: str = "60", **more: Any) -> dict[str, Any]:
    """A purchase as a client posts it."""
    return {"event_id": event_id, "user_id": user_id, "item_id": item_id, "event_type": "purchase", **more}


def running_clock(folder: Path) -> None:
    """A shop clock that was set to NOW this moment and goes on."""
    base = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW)).isoformat()
    record = {"mode": "replay", "base": base, "anchored_at": datetime.now(UTC).isoformat(), "week": 44}
    (folder / "clock.json").write_text(json.dumps(record))


Starter = Callable[..., Plane]


def starter(root: Path, started: list[Plane], state_url: str = "") -> Starter:
    """A function that starts data planes below ``root``."""

    def start(
        command: list[str] | None = None,
        bundle: bool = True,
        open_scopes: str = "read,events",
        **options: Any,
    ) -> Plane:
        folder = root / "plane"
        folder.mkdir(exist_ok=True)
        if bundle:
            write_tiny_bundle(folder / "bundle")
        if not (folder / "clock.json").exists():
            set_clock(folder, NOW)
        if not (folder / "state").exists():
            (folder / "state").mkdir()
            state = open_state(state_url, folder / "state" / "shopper.db")
            state.replace_histories([tea_drinker()])
            state.close()
        (port,) = free_ports(1)
        environment = dict(os.environ) | {
            "PYTHONPATH": str(CHECKOUT),
            "SHOPLOOP_DATA_PORT": str(port),
            "SHOPLOOP_BUNDLE": str(folder / "bundle"),
            "SHOPLOOP_STATE_FILE": str(folder / "state" / "shopper.db"),
            "SHOPLOOP_STATE_URL": state_url,
            "SHOPLOOP_CLOCK_FILE": str(folder / "clock.json"),
            "SHOPLOOP_RELEASE_ID": "r-44-tiny",
            "SHOPLOOP_EVENTS_TOKEN": TOKEN,
            "SHOPLOOP_ADMIN_TOKEN": ADMIN_TOKEN,
            "SHOPLOOP_KEYS_FILE": str(folder / "keys.json"),
            "SHOPLOOP_OPEN_SCOPES": open_scopes,
        }
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command or [sys.executable, "-m", "serving"],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
                **options,
            )
        started.append(Plane(process, folder, port, state_url))
        return started[-1]

    return start


def stop_all(started: list[Plane]) -> None:
    """End what is still running."""
    for plane in started:
        plane.process.kill()
        plane.process.wait()
