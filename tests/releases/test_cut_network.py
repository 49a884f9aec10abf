"""The network between endpoint, release task and ledger is cut: shoppers are answered, faults are mended meanwhile."""

import os
import signal
import time

import pytest
from endpoint_under_test import EndpointUnderTest, Load, eventually, run_and_clear
from test_release_faults import asked, begin, end_well
from test_switch import Shop
from wire_under_test import Wire

from pipelines.releases import plan_reader
from pipelines.releases.ledger import Ledger
from pipelines.releases.plan_reader import PlanReader


@pytest.fixture
def wire(postgres):
    made = Wire(postgres.port)
    yield made
    made.close()


@pytest.fixture
def endpoint_behind_wire(tmp_path, postgres, wire):
    url = postgres.new_database()
    under_test = EndpointUnderTest(tmp_path, url.replace(f":{postgres.port}/", f":{wire.port}/"))
    yield from run_and_clear(under_test)


def says_silent(endpoint):
    return "no answer" in endpoint.status().ledger_error


def test_endpoint__cut_off_from_its_ledger_answers_and_starts_a_dead_release_again(
    endpoint_behind_wire, wire
):
    endpoint = endpoint_behind_wire
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    pid = endpoint.status().releases[only].pid
    wire.cut()
    eventually(lambda: says_silent(endpoint), what="the supervisor saying so")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: endpoint.status().releases[only].pid not in (pid, None), what="another process")
    eventually(lambda: endpoint.serves() == only, what="its answer")
    wire.mend()
    eventually(lambda: endpoint.status().ledger_error == "", what="the ledger again")


def test_release__whose_network_is_cut_for_a_while_is_ended_by_it_or_by_the_next_try(
    endpoint_behind_wire, wire, tmp_path
):
    endpoint_behind_wire.start()
    shop = Shop(endpoint_behind_wire, tmp_path)
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    workspace, second = shop.finished_run(45, "b", first), "r-45-bbbbbbbb"
    with Load(shop.settings.port_endpoint, clients=2) as load:
        task = begin(shop, workspace)
        eventually(lambda: asked(shop, second), 60, "the request to prepare")
        wire.cut()
        time.sleep(6)
        assert endpoint_behind_wire.serves() in (first, second)
        wire.mend()
        said = task.communicate(timeout=120)[0].decode()
        assert task.returncode == 0 or "the ledger cannot be reached" in said
        end_well(shop, workspace, second)
    assert load.failures == []
    assert set(load.answers) <= {first, second}


def test_rollback__works_once_the_network_is_back(endpoint_behind_wire, wire, tmp_path):
    endpoint_behind_wire.start()
    shop = Shop(endpoint_behind_wire, tmp_path)
    first = shop.release(shop.finished_run(44, "a", None)).release_id
    second = shop.release(shop.finished_run(45, "b", first)).release_id
    wire.cut()
    told = shop.command("releases", "rollback", "--reason", "the network is gone")
    assert told.returncode == 1, told.stdout + told.stderr
    assert "the ledger cannot be reached" in told.stdout + told.stderr
    assert endpoint_behind_wire.serves() == second
    wire.mend()
    again = shop.command("releases", "rollback", "--reason", "the network is back")
    assert again.returncode == 0, again.stdout + again.stderr
    assert endpoint_behind_wire.serves() == first


def test_plan_reader__does_not_wait_for_a_ledger_that_gives_no_answer(postgres, wire):
    url = postgres.new_database()
    Ledger(url).engine.dispose()
    reader = PlanReader(url.replace(f":{postgres.port}/", f":{wire.port}/"), silent_seconds=0.5)
    assert (reader.newest().plan, reader.newest().error) == (None, "")
    reader.start()
    eventually(lambda: reader.newest().plan, what="the plan")
    wire.cut()
    eventually(lambda: "no answer for more than 0.5 s" in reader.newest().error, what="the silence")
    wire.mend()
    eventually(lambda: reader.newest().plan and not reader.newest().error, what="the plan again")


def test_plan_reader__goes_on_after_a_failure_without_words(monkeypatch, tmp_path):
    failing = True

    class Wordless(Ledger):
        def plan(self):
            if failing:
                raise TimeoutError
            return super().plan()

    monkeypatch.setattr(plan_reader, "Ledger", Wordless)
    monkeypatch.setattr(plan_reader, "RETRY_SECONDS", 0.05)
    reader = PlanReader(f"sqlite:///{tmp_path / 'ledger.db'}")
    reader.start()
    eventually(lambda: reader.newest().error == "TimeoutError", what="the name of the failure")
    failing = False
    eventually(lambda: reader.newest().plan, what="the plan")


def test_plan_reader__tells_why_the_ledger_cannot_be_used(tmp_path):
    (tmp_path / "ledger.db").write_text("this is no database, and has more than a hundred bytes of text" * 9)
    reader = PlanReader(f"sqlite:///{tmp_path / 'ledger.db'}")
    reader.start()
    eventually(lambda: "not a database" in reader.newest().error, what="the reason")
