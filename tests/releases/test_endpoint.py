"""The endpoint with real processes: swaps, crashes and refusals under load."""

import logging
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import psutil
from endpoint_under_test import TINY, Load, eventually, marked

from pipelines.releases.bento import free_port
from pipelines.releases.caddy import RETRY_SECONDS
from pipelines.releases.endpoint import Endpoint


def kill_group_of(pid):
    for member in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
        with suppress(psutil.NoSuchProcess):
            member.kill()


def live_pid(endpoint):
    status = endpoint.status()
    return status.releases[status.live].pid


def test_endpoint__without_a_release_is_alive_and_says_what_is_missing(endpoint):
    endpoint.start()
    assert endpoint.get("/healthz")[0] == 200
    started = time.monotonic()
    for path in ("/v1/release", "/readyz", "/anything"):
        status, body = endpoint.get(path)
        assert status == 503
        assert body["error"] == "no_release"
        assert "shoploop run" in body["message"]
    assert time.monotonic() - started < RETRY_SECONDS, "held as if a release were starting"


def test_endpoint__swaps_there_and_back_without_one_failed_request(endpoint):
    first, second = endpoint.add(44, "a"), endpoint.add(45, "b")
    endpoint.start()
    endpoint.make_live(first)
    with Load(endpoint.settings.port_endpoint) as load:
        for _ in range(3):
            endpoint.ledger.move(second, first, "release", "test", "swap", "d-1")
            eventually(lambda: endpoint.serves() == second, what="the swap")
            time.sleep(0.3)
            endpoint.ledger.move(first, second, "rollback", "test", "back")
            eventually(lambda: endpoint.serves() == first, what="the way back")
            time.sleep(0.3)
    assert load.failures == []
    assert sum(load.answers.values()) > 500
    assert set(load.answers) == {first, second}


def test_endpoint__answers_from_the_previous_release_when_the_live_one_is_killed(endpoint):
    first, second = endpoint.add(44, "a"), endpoint.add(45, "b")
    endpoint.start()
    endpoint.make_live(first)
    endpoint.make_live(second)
    with Load(endpoint.settings.port_endpoint) as load:
        eventually(lambda: load.answers[second] > 100, what="load on the live release")
        kill_group_of(live_pid(endpoint))
        eventually(lambda: load.answers[first] > 0, what="an answer of the previous release")
        eventually(lambda: endpoint.status().releases[second].restarts == 1, what="the restart")
        eventually(lambda: endpoint.serves() == second, what="the live release again")
        time.sleep(0.3)
    assert load.failures == []
    assert sum(load.answers.values()) > 500


def test_endpoint__holds_requests_while_the_only_release_starts_again(endpoint):
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    with Load(endpoint.settings.port_endpoint, clients=2) as load:
        eventually(lambda: load.answers[only] > 100, what="load")
        kill_group_of(live_pid(endpoint))
        eventually(lambda: endpoint.state(only) != "live", what="the crash seen")
        eventually(lambda: endpoint.state(only) == "live", what="the restart")
        before = load.answers[only]
        eventually(lambda: load.answers[only] > before + 50, what="answers again")
    assert load.failures == []


def test_endpoint__comes_back_to_the_live_release_after_being_killed(endpoint):
    first, second = endpoint.add(44, "a"), endpoint.add(45, "b")
    endpoint.start()
    endpoint.make_live(first)
    endpoint.make_live(second)
    before = {process.pid for process in marked(endpoint.home)}
    endpoint.process.kill()
    endpoint.process.wait()
    eventually(lambda: not marked(endpoint.home), 20, "the end of the children with their parent")
    endpoint.start()
    eventually(lambda: endpoint.serves() == second, what="the live release")
    eventually(lambda: endpoint.state(first) == "ready", what="the previous release warm")
    assert not before & {process.pid for process in marked(endpoint.home)}


def test_endpoint__ends_strays_of_a_killed_supervisor_and_leaves_strangers_alone(endpoint):
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    records = endpoint.home / "endpoint" / "processes.json"
    family = f"{endpoint.home}/endpoint#1"
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    stranger = subprocess.Popen(sleep, start_new_session=True)
    stray = subprocess.Popen(sleep, env=endpoint.environment() | {"SHOPLOOP_FAMILY": family})
    try:
        endpoint.process.kill()
        endpoint.process.wait()
        # The leader of the family is gone; its process id now belongs to a stranger, started later.
        records.write_text(f'[{{"pid": {stranger.pid}, "create_time": 1.0, "family": "{family}"}}]')
        endpoint.start()
        assert stray.wait(10) != 0
        assert stranger.poll() is None
    finally:
        for process in (stranger, stray):
            process.kill()
            process.wait()


def test_endpoint__restarts_a_killed_caddy(endpoint):
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    psutil.Process(endpoint.status().caddy_pid).kill()
    eventually(lambda: endpoint.serves() is None, what="the end of Caddy")
    eventually(lambda: endpoint.serves() == only, what="answers again")


@contextmanager
def nothing_can_be_written_by(pid):
    """As on a full disk: every write to a file fails; processes that run already may go on writing."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_endpoint__serves_on_while_the_disk_is_full_and_then_catches_up(endpoint):
    first, second, third = endpoint.add(44, "a"), endpoint.add(45, "b"), endpoint.add(46, "c")
    endpoint.start()
    endpoint.make_live(first)
    endpoint.make_live(second)
    eventually(lambda: endpoint.state(first) == "ready", what="the previous release warm")
    with Load(endpoint.settings.port_endpoint) as load:
        eventually(lambda: load.answers[second] > 100, what="load on the live release")
        with nothing_can_be_written_by(endpoint.process.pid):
            kill_group_of(live_pid(endpoint))
            endpoint.ledger.move(third, second, "release", "test", "swap", "d-1")
            eventually(lambda: load.answers[first] > 100, what="answers of the previous release")
            time.sleep(2)
            assert endpoint.process.poll() is None
            assert endpoint.get("/v1/release")[0] == 200
        eventually(lambda: endpoint.serves() == third, what="the release of the ledger")
    assert load.failures == []
    eventually(lambda: endpoint.state(third) == "live", what="the status written again")
    assert endpoint.status().ledger_error == ""


def test_endpoint__restarts_a_caddy_that_died_while_the_disk_was_full(endpoint):
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    with nothing_can_be_written_by(endpoint.process.pid):
        psutil.Process(endpoint.status().caddy_pid).kill()
        time.sleep(1.5)
        assert endpoint.process.poll() is None
    eventually(lambda: endpoint.serves() == only, what="answers again")


def test_endpoint__drains_whole_on_a_full_disk(endpoint):
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    with nothing_can_be_written_by(endpoint.process.pid):
        endpoint.process.send_signal(signal.SIGTERM)
        endpoint.process.wait(20)
    assert marked(endpoint.home) == []
    assert not (endpoint.home / "endpoint" / "status.json").exists()


def test_tick__says_once_what_cannot_be_written_and_writes_it_when_it_can(endpoint, caplog):
    supervisor = Endpoint(endpoint.settings, ("unused",), 1.0)
    with caplog.at_level(logging.WARNING, logger="endpoint"):
        for _ in range(3):
            supervisor.tick()  # its folder is not there: every write fails
    said = [record.getMessage() for record in caplog.records]
    assert [words.split(" cannot be written")[0] for words in said] == ["where requests go", "the status"]
    supervisor.folder.mkdir()
    supervisor.tick()
    written = {file.name for file in supervisor.folder.iterdir()}
    assert written == {"notice.json", "upstream-live", "upstream-fallback", "status.json"}


def test_endpoint__drains_at_sigterm_and_leaves_no_process(endpoint):
    only = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(only)
    endpoint.process.send_signal(signal.SIGTERM)
    assert endpoint.process.wait(20) == 0
    assert marked(endpoint.home) == []


def test_endpoint__names_who_holds_the_port_and_leaves_it_alone(endpoint):
    port = endpoint.settings.port_endpoint
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as holder:
        eventually(lambda: endpoint.get_raw("/") == 200, what="the holder")
        refused = run_supervisor(endpoint)
        assert refused.returncode == 2
        assert f"port {port}" in refused.stderr
        assert f"process {holder.pid}" in refused.stderr
        assert "--port-endpoint" in refused.stderr
        assert holder.poll() is None
        holder.kill()


def test_endpoint__refuses_a_second_supervisor_of_the_same_home(endpoint):
    endpoint.start()
    refused = run_supervisor(endpoint, "--port", str(free_port()))
    assert refused.returncode == 2
    assert f"process {endpoint.process.pid}" in refused.stderr
    assert endpoint.get("/healthz")[0] == 200


def run_supervisor(endpoint, *words):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.releases.endpoint", "--start-command", str(TINY), *words],
        env=endpoint.environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_endpoint__serves_on_while_postgres_is_down_and_follows_it_again(endpoint_on_postgres, postgres):
    endpoint = endpoint_on_postgres
    first, second = endpoint.add(44, "a"), endpoint.add(45, "b")
    endpoint.start()
    endpoint.make_live(first)
    postgres.stop()
    try:
        eventually(lambda: endpoint.status().ledger_error, what="the loss noticed")
        assert endpoint.serves() == first
    finally:
        postgres.start()
    endpoint.make_live(second)
    assert endpoint.status().ledger_error == ""


def test_endpoint__serves_on_when_the_ledger_has_lost_its_moves(endpoint_on_postgres):
    endpoint = endpoint_on_postgres
    first = endpoint.add(44, "a")
    endpoint.start()
    endpoint.make_live(first)
    with endpoint.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE moves RENAME TO away")
        connection.exec_driver_sql("CREATE TABLE moves (LIKE away)")
    eventually(lambda: "lost its moves" in endpoint.status().ledger_error, what="the loss noticed")
    assert endpoint.serves() == first
