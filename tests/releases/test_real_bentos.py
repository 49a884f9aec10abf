"""The whole way with Bentos that BentoML built and serves."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from endpoint_under_test import Load, eventually, make_release

from pipelines.releases.status import read_status
from pipelines.releases.switch import Mover, NotReady
from pipelines.settings import CHECKOUT
from pipelines.stack.home_backup import back_up_home, restore_home

BUILDER = Path(__file__).with_name("build_two_bentos.py")


@pytest.fixture
def releases(tmp_path):
    command = [sys.executable, str(BUILDER), str(CHECKOUT), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert built.returncode == 0, built.stderr
    rows = json.loads(built.stdout.splitlines()[-1])
    return [
        replace(
            make_release(row["week"], row["bundle_sha256"], row["bento_path"]), bento_tag=row["bento_tag"]
        )
        for row in rows
    ]


def data_plane_of(settings, release_id):
    """The process that listens on the release's data-plane port."""
    port = read_status(settings).releases[release_id].port
    listening = [row for row in psutil.net_connections("tcp") if row.status == psutil.CONN_LISTEN]
    return next(psutil.Process(row.pid) for row in listening if row.laddr.port == port)


def test_endpoint__releases_swaps_and_survives_crashes_of_real_bentos(endpoint, releases):
    first, second = releases
    endpoint.start(command=None, start_seconds=60)
    mover = Mover(endpoint.ledger, endpoint.settings)
    mover.release(first, None, "tester", "first")
    with Load(endpoint.settings.port_endpoint, clients=2) as load:
        mover.release(second, first.release_id, "tester", "second")
        eventually(lambda: load.answers[second.release_id] > 100, what="answers of the second")
        data_plane_of(endpoint.settings, second.release_id).kill()
        before = load.answers[first.release_id]
        eventually(lambda: load.answers[first.release_id] > before, what="answers of the first")
        eventually(lambda: endpoint.status().releases[second.release_id].restarts == 1, what="a restart")
        eventually(lambda: endpoint.serves() == second.release_id, 40, "the second again")
        switch = mover.roll_back(None, "tester", "back")
        assert switch.seconds < 2
        eventually(lambda: load.answers[first.release_id] > before + 100, what="answers of the first")
    assert load.failures == []
    assert sum(load.answers.values()) > 500


def test_endpoint__refuses_a_corrupt_real_bento_at_once_and_names_the_file(endpoint, releases):
    first, second = releases
    endpoint.start(command=None, start_seconds=60)
    mover = Mover(endpoint.ledger, endpoint.settings)
    mover.release(first, None, "tester", "first")
    weights = Path(second.bento_path) / "src" / "bundle" / "popularity.npz"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(NotReady, match=r"popularity\.npz: sha256 expected"):
        mover.release(second, first.release_id, "tester", "second")
    assert endpoint.serves() == first.release_id


def test_endpoint__serves_out_of_a_home_that_was_brought_back_elsewhere(endpoint, releases, tmp_path_factory):
    first, outside = releases[0], tmp_path_factory.mktemp("outside")
    endpoint.ledger.add_release(first)
    endpoint.ledger.move(first.release_id, None, "release", "test", "test", "d-1")
    back_up_home(endpoint.settings, outside / "home.tar.gz", str)
    restored = endpoint.settings.model_copy(update={"home": outside / "home"})
    restore_home(restored, outside / "home.tar.gz", str)
    shutil.rmtree(first.bento_path)

    endpoint.home, endpoint.settings = restored.home, restored
    endpoint.start(command=None, start_seconds=60)
    eventually(lambda: endpoint.serves() == first.release_id, 60, what="the release out of the restored home")
