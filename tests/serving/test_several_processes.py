"""Several processes on one port."""

import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.serving.plane_under_test import ADMIN_TOKEN, Plane, Starter, purchase

COUNT = 3


@pytest.fixture
def several(start: Starter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A data plane of several processes, all of which answer."""
    monkeypatch.setenv("SHOPLOOP_PROCESSES", str(COUNT))
    plane = start()
    plane.wait()
    wait_for_answers_of(plane, COUNT)
    yield plane
    plane.process.terminate()
    plane.process.wait(20)


def children(plane: Plane) -> list[psutil.Process]:
    """The processes that answer, as long as they live."""
    return [
        child
        for child in psutil.Process(plane.process.pid).children()
        if child.status() != psutil.STATUS_ZOMBIE
    ]


def wait_for_answers_of(plane: Plane, count: int) -> None:
    """Until so many processes listen."""
    for _ in range(400):
        listening = [
            child
            for child in children(plane)
            if any(found.status == psutil.CONN_LISTEN for found in child.net_connections("tcp"))
        ]
        if len(listening) == count:
            return
        time.sleep(0.05)
    raise AssertionError(plane.log)


def total(plane: Plane, name: str) -> float:
    """Sum of a metric over its labels."""
    text = str(plane.ask("GET", "/metrics")[1])
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_processes__share_the_work_and_each_tells_the_sum(several: Plane) -> None:
    before = [child.cpu_times().user for child in children(several)]
    for _ in range(300):
        several.recommend("1", k=2)
    spent = [child.cpu_times().user - was for child, was in zip(children(several), before, strict=True)]
    assert sum(seconds > 0 for seconds in spent) > 1, "one process did all the work"
    assert {total(several, "shoploop_answers_total") for _ in range(10)} == {300.0}
    assert total(several, "shoploop_ready") == 1


def test_processes__know_at_once_what_one_of_them_was_told(several: Plane) -> None:
    assert several.post(purchase("told", "new-shopper", "60"))[0] == 200
    assert several.put("50", hidden=True)[0] == 200
    for _ in range(30):
        answer = several.recommend("new-shopper", k=5)
        assert answer["source"] == "blend"
        assert "50" not in [item["item_id"] for item in answer["items"]]


def test_processes__one_that_is_killed_is_started_again_while_the_others_answer(several: Plane) -> None:
    victim = children(several)[0]
    victim.kill()
    victim.wait(20)
    several.wait()
    for _ in range(20):
        several.recommend("1", k=2)
    wait_for_answers_of(several, COUNT)
    assert "killed by signal 9: starting it again" in several.log


def test_processes__all_end_when_they_are_told_to(several: Plane) -> None:
    found = children(several)
    several.process.send_signal(signal.SIGTERM)
    assert several.process.wait(20) == 0
    assert psutil.wait_procs(found, timeout=10)[1] == []
    with pytest.raises(OSError):  # noqa: PT011  refused or reset, as it falls
        several.ask("GET", "/healthz")


def test_processes__all_end_when_one_cannot_start(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPLOOP_PROCESSES", "2")
    plane = start()
    plane.wait()
    wait_for_answers_of(plane, 2)
    plane.process.terminate()
    plane.process.wait(20)
    (plane.folder / "clock.json").write_text("{")
    broken = start(bundle=False)
    assert broken.process.wait(20) == 1
    assert "clock.json" in broken.log


def test_processes__end_with_a_killed_parent(several: Plane) -> None:
    found = children(several)
    several.process.kill()
    assert psutil.wait_procs(found, timeout=20)[1] == []


def test_processes__of_which_there_cannot_be_none(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPLOOP_PROCESSES", "0")
    plane = start()
    assert plane.process.wait(20) != 0
    assert "processes" in plane.log
    assert ADMIN_TOKEN not in plane.log
