"""A served Bento as a tree of processes."""

import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipelines.releases.rehearsal import BentoOnTrial, set_clock
from pipelines.run_facts import read_result
from pipelines.settings import Settings
from tests.serving.tiny_bundle import NOW


@pytest.fixture
def bento(here: Settings, built: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    set_clock(tmp_path, NOW)
    bento = BentoOnTrial(Path(read_result(built, "build_bento")["bento_path"]), tmp_path, here.bentoml_home)
    bento.wait_ready(60)
    yield bento
    bento.stop()


def tree(bento: BentoOnTrial) -> list[psutil.Process]:
    leader = psutil.Process(bento._process.pid)
    return [leader, *leader.children(recursive=True)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_bento__killed_supervisor_leaves_no_process(bento: BentoOnTrial) -> None:
    members = tree(bento)
    assert len(members) == 3
    members[0].kill()
    _, left = psutil.wait_procs(members, timeout=30)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert left == []


def test_bento__runs_its_own_code_on_loopback(bento: BentoOnTrial) -> None:
    assert bento.ask("GET", "/v1/release")[1]["release"] == "rehearsal"
    plane = tree(bento)[-1]
    assert plane.cwd().startswith(str(Path(plane.environ()["BENTOML_HOME"]) / "bentos"))
    assert {listener.laddr.ip for listener in plane.net_connections() if listener.status == "LISTEN"} == {
        "127.0.0.1"
    }
