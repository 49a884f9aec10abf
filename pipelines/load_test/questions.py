"""What an endpoint is asked in a load test, made of what it says itself."""

import http.client
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SCENARIOS = {
    "recommendations": "/v1/recommendations",
    "similar-items": "/v1/similar-items",
    "complements": "/v1/complements",
    "new-arrivals": "/v1/new-arrivals",
    "rank": "/v1/rank",
    "search": "/v1/search",
}
NUMBERED_USERS = 1000
SAMPLE = 20
SECONDS = 30


class LoadTestError(Exception):
    """No load can be put on an endpoint; the message says why and what to do."""


def address(url: str) -> tuple[str, int]:
    """Host and port of ``http://host:port``.

    Raises:
        LoadTestError: It is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise LoadTestError(f"--url: expected http://HOST:PORT, found {url!r}")
    return parts.hostname, port or 80


def known_users(state_file: Path) -> list[str]:
    """Shoppers with a history in an endpoint's state; numbers from 1 on where there is no state."""
    if not state_file.is_file():
        return [str(number) for number in range(1, NUMBERED_USERS + 1)]
    with closing(sqlite3.connect(f"file:{state_file}?mode=ro", uri=True)) as database:
        return [user for (user,) in database.execute("SELECT user_id FROM histories ORDER BY user_id")]


def requests(
    scenario: str, host: str, port: int, users: Sequence[str], headers: Mapping[str, str]
) -> list[bytes]:
    """Whole HTTP requests, one a shopper.

    Raises:
        LoadTestError: The scenario is unknown, there are no shoppers, or the endpoint gives no list.
    """
    if scenario not in SCENARIOS:
        raise LoadTestError(f"--scenario: expected one of {', '.join(SCENARIOS)}; found {scenario!r}")
    if not users:
        raise LoadTestError("The endpoint's state has no shopper; land a week with `shoploop land`")
    if scenario in ("recommendations", "new-arrivals"):
        bodies: list[dict[str, Any]] = [{"user_id": user, "k": 10} for user in users]
    else:
        bodies = _of_items(scenario, users, _listed(host, port, users[:SAMPLE], headers))
    path = SCENARIOS[scenario]
    return [http_request(path, f"{host}:{port}", json.dumps(body).encode(), headers) for body in bodies]


def http_request(path: str, host: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request as it goes over the wire."""
    told = {"Host": host, "Content-Type": "application/json", "Content-Length": len(body), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _of_items(scenario: str, users: Sequence[str], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [item["item_id"] for item in items]
    words = [word for item in items for word in item["title"].split() if word.isalpha()] or ["milk"]
    made = []
    for number, user in enumerate(users):
        some = [ids[(number * 7 + step) % len(ids)] for step in range(min(20, len(ids)))]
        made.append(
            {
                "similar-items": {"item_id": some[0], "k": 10},
                "complements": {"items": some[:3], "k": 10},
                "rank": {"user_id": user, "items": list(dict.fromkeys(some))},
                "search": {"user_id": user, "query": words[number % len(words)], "k": 10},
            }[scenario]
        )
    return made


def _listed(host: str, port: int, users: Sequence[str], headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Items that the endpoint recommends."""
    found: dict[str, dict[str, Any]] = {}
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        for user in users:
            connection.request(
                "POST", SCENARIOS["recommendations"], json.dumps({"user_id": user}), dict(headers)
            )
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != http.client.OK:
                raise LoadTestError(f"{host}:{port} answers {answer.status}: {text[:300].decode()}")
            found |= {item["item_id"]: item for item in json.loads(text)["items"]}
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LoadTestError(f"{host}:{port} gives no list ({error}); run `shoploop status`") from error
    finally:
        connection.close()
    if not found:
        raise LoadTestError(f"{host}:{port} recommends nothing; `shoploop run` makes a release")
    return list(found.values())
