"""Keys: who may ask for what, how often, and from when on."""

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving.environment import Environment
from serving.keys import SCOPES, Key, KeyFile, Keys, open_scopes, own_tokens, sha256_of
from serving.schemas import RefusalError
from tests.serving.plane_under_test import ADMIN_TOKEN, TOKEN, Plane, Starter, purchase

ASK = ("POST", "/v1/recommendations", {"user_id": "1"})


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def write(file: Path, *keys: Key) -> None:
    file.write_bytes(msgspec.json.encode(KeyFile(keys)))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal(keys: Keys, token: str, scope: Any) -> RefusalError:
    with pytest.raises(RefusalError) as refused:
        keys.check(f"Bearer {token}".encode(), scope)
    return refused.value


def test_check__of_open_scopes_asks_for_nothing_and_of_others_for_a_key() -> None:
    keys = Keys(None, {"secret": ("admin",)}, frozenset({"read"}))
    keys.check(b"", "read")
    keys.check(b"Bearer strange", "read")
    keys.check(b"Bearer secret", "admin")
    assert refusal(keys, "strange", "admin").status == 401
    for header in (b"", b"secret", b"bearer secret", b"Basic secret", b"Bearer ", b"Bearer secret "):
        with pytest.raises(RefusalError, match="Expected the header"):
            keys.check(header, "admin")


def test_check__with_a_key_for_something_else_or_where_nobody_has_one_is_403() -> None:
    keys = Keys(None, {"secret": ("log",)}, frozenset())
    nobody = refusal(keys, "strange", "events")
    assert (nobody.status, nobody.error) == (403, "closed")
    assert "shoploop keys add NAME --scope events" in nobody.message
    other = refusal(keys, "secret", "events")
    assert (other.status, other.error) == (403, "forbidden")
    assert "post events" in other.message


def test_check__reads_the_file_again_and_keeps_what_it_had_when_it_breaks(tmp_path: Path) -> None:
    file, clock = tmp_path / "keys.json", Clock()
    keys = Keys(file, {}, frozenset(), clock)
    assert refusal(keys, "one", "read").status == 403
    write(file, Key("web", sha256_of("one"), ("read",)))
    assert refusal(keys, "one", "read").status == 403  # not looked at yet
    clock.now += 1
    keys.check(b"Bearer one", "read")
    file.write_text("no list of keys")
    clock.now += 1
    keys.check(b"Bearer one", "read")
    write(file, Key("web", sha256_of("two"), ("read",)))
    os.utime(file, ns=(1, 1))
    clock.now += 1
    keys.check(b"Bearer two", "read")
    assert refusal(keys, "one", "read").status == 401
    file.unlink()
    clock.now += 1
    assert refusal(keys, "two", "read").status == 403


def test_check__lets_a_key_through_so_often_and_says_when_to_come_back(tmp_path: Path) -> None:
    file, clock = tmp_path / "keys.json", Clock()
    write(
        file, Key("web", sha256_of("one"), ("read",), per_second=4), Key("mail", sha256_of("two"), ("read",))
    )
    keys = Keys(file, {}, frozenset(), clock)
    for _ in range(4):
        keys.check(b"Bearer one", "read")
    refused = refusal(keys, "one", "read")
    assert (refused.status, refused.error, refused.retry_after) == (
        429,
        "too_many_requests",
        pytest.approx(0.25),
    )
    for _ in range(100):
        keys.check(b"Bearer two", "read")
    clock.now += 0.25
    keys.check(b"Bearer one", "read")
    assert refusal(keys, "one", "read").status == 429
    clock.now += 3600
    for _ in range(4):
        keys.check(b"Bearer one", "read")
    assert refusal(keys, "one", "read").status == 429


def test_environment__opens_what_changes_nothing_alone() -> None:
    assert open_scopes(Environment()) == {"read", "events"}
    assert open_scopes(Environment(open_scopes="none")) == frozenset()
    for strange in ("admin", "read,log", "", "read;events", "none,read"):
        with pytest.raises(ValueError, match="open_scopes: expected"):
            Environment(open_scopes=strange)
    assert own_tokens(Environment()) == {}
    assert own_tokens(Environment(admin_token="a", events_token="e")) == {"a": (*SCOPES,), "e": ("log",)}


def test_plane__closed_asks_for_keys_and_knows_new_ones_without_a_restart(start: Starter) -> None:
    plane = start(open_scopes="none")
    plane.wait()
    assert plane.ask(*ASK)[0] == 401
    assert plane.ask("POST", "/v1/events", purchase("k-1"))[0] == 401
    assert plane.ask("GET", "/docs")[0] == plane.ask("GET", "/metrics")[0] == 200
    assert plane.ask(*ASK, bearer(TOKEN))[0] == 403
    assert plane.ask(*ASK, bearer(ADMIN_TOKEN))[0] == 200

    write(plane.folder / "keys.json", Key("web", sha256_of("of-the-web-shop"), ("read",)))
    eventually(lambda: plane.ask(*ASK, bearer("of-the-web-shop"))[0] == 200)
    assert plane.ask("POST", "/v1/events", purchase("k-2"), bearer("of-the-web-shop"))[0] == 403
    (plane.folder / "keys.json").unlink()
    eventually(lambda: plane.ask(*ASK, bearer("of-the-web-shop"))[0] == 401)
    assert "of-the-web-shop" not in plane.log


def test_plane__answers_429_with_retry_after(start: Starter) -> None:
    import http.client

    plane = start()
    plane.wait()
    write(plane.folder / "keys.json", Key("web", sha256_of("slow"), ("read",), per_second=0.5))
    eventually(lambda: plane.ask(*ASK, bearer("slow"))[0] == 429)
    connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=20)
    connection.request("POST", ASK[1], json.dumps(ASK[2]), bearer("slow"))
    answer = connection.getresponse()
    assert (answer.status, answer.headers["retry-after"]) in ((429, "1"), (429, "2"))
    assert plane.ask(*ASK)[0] == 200  # nobody else is held up


def eventually(is_true: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_plane__of_a_scope_that_must_stay_closed_does_not_start(start: Starter) -> None:
    plane: Plane = start(open_scopes="admin")
    assert plane.process.wait(20) != 0
    assert "open_scopes: expected" in plane.log
