"""How a data plane starts, is overloaded, stops and dies."""

import http.client
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from serving.schemas import MAX_BODY_BYTES
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import CHECKOUT, Plane, Starter, purchase

BANNED = {
    *("airflow", "bentoml", "duckdb", "dvc", "great_expectations", "keras", "mlflow", "pandas", "pyarrow"),
    *("pydantic", "scipy", "sqlalchemy", "tensorflow"),
}


def test_imports__data_plane_loads_no_heavy_library() -> None:
    code = "import sys, serving.__main__; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert not BANNED & set(loaded.stdout.split())


@on_each_store
def test_start__corrupt_model_file_is_named_and_process_stays(start: Starter) -> None:
    plane = start()
    plane.wait()
    plane.process.kill()
    file = plane.folder / "bundle" / "popularity.npz"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    broken = start(bundle=False)
    answer = broken.wait(503)
    assert answer["error"] == "model_not_loaded"
    assert str(file) in answer["message"]
    assert broken.ask("GET", "/healthz")[0] == 200
    assert broken.ask("POST", "/v1/recommendations", {"user_id": "1"})[1]["error"] == "model_not_loaded"
    # Events are taken all the same: what shoppers do is not lost for want of a model.
    assert broken.post(purchase("without-model"))[1]["accepted"] == 1
    assert str(file) in broken.log


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": {}}', b'{"files": {"absent.npz": "00"}}'])
def test_start__unusable_manifest_is_named(start: Starter, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plane" / "bundle").mkdir(parents=True)
    (tmp_path / "plane" / "bundle" / "bundle.json").write_bytes(content)
    assert str(tmp_path / "plane" / "bundle") in start(bundle=False).wait(503)["message"]


def test_start__broken_clock_ends_the_process_with_its_name(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "plane").mkdir()
    (tmp_path / "plane" / "clock.json").write_text("{")
    plane = start()
    assert plane.process.wait(20) != 0
    assert "clock.json" in plane.log


def test_clock__landing_moves_a_running_plane(start: Starter) -> None:
    plane = start()
    plane.wait()
    assert plane.post(purchase("early", occurred_at="2017-11-05T00:00:00Z"))[0] == 400
    record = '{"mode": "replay", "base": "2017-11-06T05:00:00+00:00", "anchored_at": "%s", "week": 45}'
    (plane.folder / "clock.json").write_text(record % "2999-01-01T00:00:00+00:00")
    time.sleep(1.2)
    assert plane.post(purchase("early", occurred_at="2017-11-05T00:00:00Z"))[0] == 200


def _send_in_pieces(plane: Plane, headers: str, size: int) -> bytes:
    with socket.create_connection(("127.0.0.1", plane.port), timeout=20) as connection:
        connection.sendall(f"POST /v1/events HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n".encode())
        piece = b"x" * 65_536
        for _ in range(size // len(piece)):
            framed = b"10000\r\n" + piece + b"\r\n" if "chunked" in headers else piece
            connection.sendall(framed)
        if "chunked" in headers:
            connection.sendall(b"0\r\n\r\n")
        return connection.recv(65_536)


@pytest.mark.parametrize("framing", ["declared", "chunked"])
def test_bodies__ten_megabytes_are_refused_and_never_held(start: Starter, framing: str) -> None:
    plane = start()
    plane.wait()
    process, size = psutil.Process(plane.process.pid), 160 * 65_536
    headers = f"content-length: {size}" if framing == "declared" else "transfer-encoding: chunked"
    _send_in_pieces(plane, headers, size)
    before = process.memory_info().rss
    answers = [_send_in_pieces(plane, headers, size) for _ in range(5)]
    grown = process.memory_info().rss - before
    assert all(answer.startswith(b"HTTP/1.1 413") for answer in answers)
    assert all(str(MAX_BODY_BYTES).encode() in answer for answer in answers)
    assert grown < 3 * 2**20
    assert plane.recommend("1")["source"] == "blend"


def test_clients__that_go_away_leave_no_trace(start: Starter) -> None:
    plane = start()
    plane.wait()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", plane.port)) as connection:
            connection.sendall(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{")
    assert plane.recommend("1")["source"] == "blend"
    assert "Traceback" not in plane.log


def test_disk__full_disk_refuses_events_and_keeps_recommending(start: Starter) -> None:
    limit = 400_000
    plane = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    plane.wait()
    taken = 0
    while (status := plane.post(*(purchase(f"e{taken + n}", user_id="9") for n in range(100)))[0]) == 200:
        taken += 100
        assert taken < 10_000
    assert status == 503
    assert plane.recommend("1")["source"] == "blend"
    plane.process.kill()
    plane.process.wait()
    with sqlite3.connect(plane.state_file) as database:
        assert database.execute("SELECT COUNT(*) FROM posted_events").fetchone() == (taken,)


@on_each_store
def test_kill__acknowledged_events_survive(start: Starter) -> None:
    plane = start()
    plane.wait()
    acknowledged: list[str] = []

    def post(client: int) -> None:
        for number in range(1000):
            try:
                if plane.post(purchase(f"{client}-{number}"))[0] == 200:
                    acknowledged.append(f"{client}-{number}")
            except (OSError, http.client.HTTPException):
                return

    clients = [threading.Thread(target=post, args=(client,)) for client in range(4)]
    for client in clients:
        client.start()
    time.sleep(1)
    plane.process.kill()
    for client in clients:
        client.join()
    again = start()
    again.wait()
    assert len(acknowledged) > 10
    with closing(again.state()) as state:
        kept = {row.event_id for row in state.posted(0, 100_000)}
    assert set(acknowledged) <= kept
    assert again.recommend("1")["source"] == "blend"


def test_stop__sigterm_fails_no_request_of_busy_clients(start: Starter) -> None:
    plane = start()
    plane.wait()
    answered, failed = [0], []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", plane.port, timeout=20)
        try:
            while _ask_once(connection):  # told that the connection closes, a proxy goes elsewhere
                answered[0] += 1
        except (OSError, http.client.HTTPException) as error:
            failed.append(repr(error))

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    time.sleep(0.5)
    plane.process.send_signal(signal.SIGTERM)
    assert plane.process.wait(20) == 0
    for client in clients:
        client.join()
    assert answered[0] > 50
    assert failed == []


def _ask_once(connection: http.client.HTTPConnection) -> bool:
    """One request; False when the server closes the connection after it."""
    connection.request("POST", "/v1/recommendations", b'{"user_id": "1"}')
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.headers["connection"] != "close"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_stop__data_plane_ends_with_a_killed_parent(start: Starter) -> None:
    code = (
        "import os, subprocess, sys\n"
        "plane = subprocess.Popen([sys.executable, '-m', 'serving', str(os.getpid())])\n"
        "sys.exit(plane.wait())"
    )
    parent = start(command=[sys.executable, "-c", code])
    parent.wait()
    (plane,) = psutil.Process(parent.process.pid).children()
    parent.process.kill()
    _, left = psutil.wait_procs([plane], timeout=20)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert left == []


def test_start__refuses_to_outlive_a_parent_that_is_gone(start: Starter) -> None:
    orphan = start(command=[sys.executable, "-m", "serving", "1"])
    assert orphan.process.wait(20) == 1
    assert "is gone" in orphan.log
