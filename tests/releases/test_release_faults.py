"""What dies while a release is being made: shoppers are answered, the ledger verifies, and the next try ends it."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import psutil
import pytest
from endpoint_under_test import Load, eventually
from test_switch import Shop

from pipelines.releases import ledger as ledger_module
from pipelines.releases.records import StaleMove, utc_now

TASK = [sys.executable, "-m", "pipelines.cli", "action", "release_model", "--workspace"]


@pytest.fixture
def shop(endpoint, tmp_path):
    endpoint.start()
    return Shop(endpoint, tmp_path)


def begin(shop, workspace):
    """The task of a release, as Airflow starts it."""
    return subprocess.Popen(
        [*TASK, str(workspace)],
        env=shop.endpoint.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def asked(shop, release_id):
    """Whether the endpoint was asked to prepare a release."""
    return release_id in {release.release_id for release, _ in shop.ledger.plan().prepared}


def end_well(shop, workspace, release_id):
    """Airflow tries the task again, and the release is live, once."""
    again = shop.command("action", "release_model", "--workspace", str(workspace))
    assert again.returncode == 0, again.stdout + again.stderr
    assert shop.endpoint.serves() == release_id
    assert [move.release_id for move in shop.ledger.history()][-1] == release_id
    assert len(shop.ledger.history()) == 2
    assert shop.ledger.plan().prepared == ()
    assert shop.ledger.verify().faults == ()


MOMENTS = {
    "registered": lambda shop, second: shop.ledger.release(second) is not None,
    "asked": asked,
    "starting": lambda shop, second: shop.endpoint.state(second) == "starting",
    "ready": lambda shop, second: shop.endpoint.state(second) in ("ready", "live"),
    "moved": lambda shop, second: shop.ledger.live().release_id == second,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_release__whose_task_is_killed_is_ended_by_the_next_try(shop, moment):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    workspace, second = shop.finished_run(45, "b", first), "r-45-bbbbbbbb"
    with Load(shop.settings.port_endpoint, clients=2) as load:
        task = begin(shop, workspace)
        eventually(lambda: MOMENTS[moment](shop, second), 60, moment)
        task.send_signal(signal.SIGKILL)
        task.communicate()
        assert shop.endpoint.serves() in (first, second)
        assert shop.ledger.verify().faults == ()
        end_well(shop, workspace, second)
        eventually(lambda: load.answers[second] > 50, what="answers of the new release")
    assert load.failures == []
    assert set(load.answers) == {first, second}


def test_release__whose_endpoint_is_killed_leaves_the_old_one_and_can_be_tried_again(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    workspace, second = shop.finished_run(45, "b", first), "r-45-bbbbbbbb"
    task = begin(shop, workspace)
    eventually(lambda: asked(shop, second), 60, "the request to prepare")
    shop.endpoint.process.send_signal(signal.SIGKILL)
    shop.endpoint.process.wait(20)
    said = task.communicate(timeout=120)[0].decode()
    if task.returncode:  # else it was quicker
        assert task.returncode == 1, said
        assert "start it with `shoploop up`" in said
        assert shop.ledger.live().release_id == first
    shop.endpoint.start()
    eventually(lambda: shop.endpoint.serves() in (first, second), what="an answer after the restart")
    end_well(shop, workspace, second)


def test_release__whose_candidate_is_killed_while_it_starts_never_reaches_shoppers_half(shop):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    workspace, second = shop.finished_run(45, "b", first), "r-45-bbbbbbbb"
    with Load(shop.settings.port_endpoint, clients=2) as load:
        task = begin(shop, workspace)
        pid = eventually(lambda: pid_of(shop, second), 60, "the candidate's process")
        os.kill(pid, signal.SIGKILL)
        task.communicate(timeout=120)
        end_well(shop, workspace, second)
    assert load.failures == []
    assert set(load.answers) <= {first, second}


def pid_of(shop, release_id):
    found = shop.endpoint.status().releases.get(release_id)
    return found.pid if found and found.pid and psutil.pid_exists(found.pid) else None


def test_release__while_postgres_is_restarted_is_ended_by_the_next_try(
    endpoint_on_postgres, postgres, tmp_path
):
    endpoint_on_postgres.start()
    shop = Shop(endpoint_on_postgres, tmp_path)
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    workspace, second = shop.finished_run(45, "b", first), "r-45-bbbbbbbb"
    with Load(shop.settings.port_endpoint, clients=2) as load:
        task = begin(shop, workspace)
        eventually(lambda: asked(shop, second), 60, "the request to prepare")
        postgres.stop()
        try:
            time.sleep(0.5)
            assert shop.endpoint.serves() in (first, second)
        finally:
            postgres.start()
        said = task.communicate(timeout=120)[0].decode()
        if task.returncode:
            assert task.returncode == 1, said
            assert "the ledger cannot be reached" in said
            assert "Traceback" not in said
        end_well(shop, workspace, second)
    assert load.failures == []
    assert set(load.answers) <= {first, second}


def test_move__of_a_holder_whose_lease_lapsed_by_a_jump_of_the_clock_loses(shop, monkeypatch):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second, third = (shop.endpoint.add(week, letter) for week, letter in ((45, "b"), (46, "c")))
    ledger = shop.ledger
    with ledger.lease("the slow one", 60):
        later = utc_now() + timedelta(days=1)
        monkeypatch.setattr(ledger_module, "utc_now", lambda: later)
        with ledger.lease("the quick one", 60):
            ledger.move(third, first, "release", "the quick one", "it passed", "d-2")
        with pytest.raises(StaleMove, match=f"judged against {first}, but {third} is live"):
            ledger.move(second, first, "release", "the slow one", "it passed", "d-1")
    assert ledger.live().release_id == third
    assert ledger.verify().faults == ()


def test_roll_back__needs_no_lease_of_a_clock_that_jumped_back(shop, monkeypatch):
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    shop.release(shop.finished_run(45, "b", first))
    with shop.ledger.lease("somebody who died", 60):
        earlier = utc_now() - timedelta(days=1)
        monkeypatch.setattr(ledger_module, "utc_now", lambda: earlier)
        assert shop.roll_back_for_task().release_id == first
    assert shop.endpoint.serves() == first
    assert shop.ledger.live().release_id == first
