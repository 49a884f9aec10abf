"""A candidate is asked what the live release is asked: it is compared, and nobody notices."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.releases.observing import Mirrored, read_mirrored
from serving.metrics import Metrics
from serving.mirror import AT_ONCE, Mirror
from serving.watched_word import REFRESH_SECONDS
from tests.serving.plane_under_test import Plane, starter, stop_all


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Plane, Plane, Path]]:
    """A live release, a candidate of the same model, and the file by which the first is told of the second."""
    started: list[Plane] = []
    file = tmp_path / "mirror"
    for name in ("live", "candidate"):
        (tmp_path / name).mkdir()
    candidate = starter(tmp_path / "candidate", started)()
    monkeypatch.setenv("SHOPLOOP_MIRROR_FILE", str(file))
    live = starter(tmp_path / "live", started)()
    for plane in (live, candidate):
        plane.wait()
    yield live, candidate, file
    stop_all(started)


def counted(live: Plane, of: int) -> Mirrored:
    """What the live release has counted once it was ``of`` questions."""
    for _ in range(200):
        found = read_mirrored(live.ask("GET", "/metrics")[1], 1.0)
        if found.compared + found.shorter + found.failed >= of:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def impressions(plane: Plane) -> int:
    with sqlite3.connect(plane.folder / "state" / "impressions.db") as database:
        return int(database.execute("SELECT count(*) FROM impressions").fetchone()[0])


def test_candidate__is_asked_the_same_and_logs_nothing(pair: tuple[Plane, Plane, Path]) -> None:
    live, candidate, file = pair
    live.recommend("1")
    file.write_text(f"127.0.0.1:{candidate.port}")
    time.sleep(2 * REFRESH_SECONDS)
    for user in ("1", "2", "nobody", "1", "2"):
        assert live.recommend(user)["variant"] == "champion"
    assert counted(live, 5) == Mirrored(compared=5, alike=5.0)

    file.write_text("")
    time.sleep(2 * REFRESH_SECONDS)
    live.recommend("1")
    assert counted(live, 5).compared == 5
    status, answer = candidate.ask("POST", "/v1/shadow/recommendations", {"user_id": "1", "k": 3})
    assert (status, answer["variant"], len(answer["items"])) == (200, "shadow", 3)
    live.process.terminate()
    candidate.process.terminate()
    live.process.wait(20)
    candidate.process.wait(20)
    assert impressions(live) == 7
    assert impressions(candidate) == 0


def test_candidate__that_is_gone_is_counted_and_fails_no_request(pair: tuple[Plane, Plane, Path]) -> None:
    live, candidate, file = pair
    file.write_text(f"127.0.0.1:{candidate.port}")
    time.sleep(2 * REFRESH_SECONDS)
    candidate.process.kill()
    candidate.process.wait()
    for _ in range(5):
        live.recommend("1")
    assert counted(live, 5) == Mirrored(failed=5)


def test_question__too_many_is_left_out_and_waits_for_nothing(tmp_path: Path) -> None:
    """The candidate takes connections and never answers."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> Metrics:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        file = tmp_path / "mirror"
        file.write_text(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        metrics = Metrics()
        mirror = Mirror(file, metrics)
        for _ in range(AT_ONCE + 5):
            mirror.offer(b'{"user_id": "1"}', ("1",))
        await asyncio.sleep(0)
        server.close()
        return metrics

    assert 'shoploop_mirrored_total{outcome="left_out"} 5.0' in asyncio.run(ask()).exposition().decode()


@pytest.mark.parametrize("said", ["example.com:80", "127.0.0.1", "127.0.0.1:80\n127.0.0.1:81"])
def test_address__that_is_none_of_this_machine_is_asked_nothing(tmp_path: Path, said: str) -> None:
    (tmp_path / "mirror").write_text(said)
    metrics = Metrics()
    Mirror(tmp_path / "mirror", metrics).offer(b"{}", ())  # outside of a loop it could ask nobody
    assert read_mirrored(metrics.exposition().decode(), 1.0) == Mirrored()
