"""Starting parts: only what is missing, and in words when one fails."""

import os
import signal
import sys

import pytest

from pipelines.settings import Settings
from pipelines.stack import processes, supervisor
from pipelines.stack.components import Component
from pipelines.stack.environment import STACK_MARK, stack_environment
from pipelines.stack.ports import PortBusyError
from tests.processes import runs, wait_until_dead
from tests.stack.strangers import LISTENER, SLEEPER, Spawn, leader_of_listener


def part(settings: Settings, name: str, code: str, ready: str = "ready", **options: object) -> Component:
    def probe(_: Settings, started: float) -> str | None:
        return None if ready in processes.log_tail(settings, name) else "it did not say that it is ready"

    command = (sys.executable, "-c", code)
    return Component(name, name, command, stack_environment(settings), probe, **options)  # type: ignore[arg-type]


def test_start_missing__starts_only_what_does_not_run(settings: Settings) -> None:
    parts = [part(settings, "first", SLEEPER), part(settings, "second", SLEEPER)]
    said: list[str] = []
    assert set(supervisor.start_missing(settings, parts, said.append)) == {"first", "second"}
    before = {name: processes.recorded(settings, name) for name in ("first", "second")}
    assert before["second"] is not None
    os.kill(before["second"].pid, signal.SIGKILL)
    wait_until_dead(before["second"].pid)
    assert set(supervisor.start_missing(settings, parts, said.append)) == {"second"}
    assert processes.recorded(settings, "first") == before["first"]
    assert supervisor.start_missing(settings, parts, said.append) == {}


def test_start_missing__shows_the_end_of_the_log_of_a_part_that_dies(settings: Settings) -> None:
    broken = part(settings, "broken", "raise SystemExit('the database is locked')")
    with pytest.raises(supervisor.StackError) as caught:
        supervisor.start_missing(settings, [broken], lambda _: None)
    message = str(caught.value)
    assert "broken did not start: its process ended" in message
    assert "the database is locked" in message
    assert str(processes.log_file(settings, "broken")) in message


def test_start_missing__gives_up_on_a_part_that_never_becomes_well(settings: Settings) -> None:
    slow = part(settings, "slow", SLEEPER, ready="never said", grace_seconds=0.5)
    with pytest.raises(supervisor.StackError, match="slow did not start: it did not say that it is ready"):
        supervisor.start_missing(settings, [slow], lambda _: None)


def test_start_missing__starts_nothing_when_a_port_is_held_by_a_stranger(
    settings: Settings, stranger: Spawn
) -> None:
    holder = stranger(LISTENER.format(port=settings.port_endpoint))
    parts = [part(settings, "first", SLEEPER), part(settings, "second", SLEEPER, port_field="port_endpoint")]
    with pytest.raises(PortBusyError):
        supervisor.start_missing(settings, parts, lambda _: None)
    assert processes.recorded(settings, "first") is None
    assert holder.poll() is None


def child_of(settings: Settings, name: str) -> int:
    words = processes.log_tail(settings, name).split()
    return int(words[words.index("ready") + 1])


def test_start_missing__ends_what_a_killed_leader_left_on_its_port(settings: Settings) -> None:
    leader = part(settings, "leader", leader_of_listener(settings.port_mlflow), port_field="port_mlflow")
    other = part(settings, "other", SLEEPER)
    supervisor.start_missing(settings, [leader, other], lambda _: None)
    record, orphan = processes.recorded(settings, "leader"), child_of(settings, "leader")
    kept = processes.recorded(settings, "other")
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    wait_until_dead(record.pid)
    assert runs(orphan)
    again = part(settings, "leader", LISTENER.format(port=settings.port_mlflow), port_field="port_mlflow")
    said: list[str] = []
    assert set(supervisor.start_missing(settings, [again, other], said.append)) == {"leader"}
    assert not runs(orphan)
    assert f"ending process {orphan}, left over" in "".join(said)
    assert processes.recorded(settings, "other") == kept


def test_start_missing__spares_a_holder_of_another_stack(settings: Settings, stranger: Spawn) -> None:
    mark = {STACK_MARK: str(settings.home) + "-other"}
    holder = stranger(LISTENER.format(port=settings.port_mlflow), environment=os.environ | mark)
    wanted = part(settings, "wanted", SLEEPER, port_field="port_mlflow")
    with pytest.raises(PortBusyError, match=f"taken by process {holder.pid}"):
        supervisor.start_missing(settings, [wanted], lambda _: None)
    assert holder.poll() is None


def test_start_missing__spares_a_holder_that_belongs_to_a_living_part(settings: Settings) -> None:
    leader = part(settings, "leader", leader_of_listener(settings.port_mlflow))
    supervisor.start_missing(settings, [leader], lambda _: None)
    wanted = part(settings, "wanted", SLEEPER, port_field="port_mlflow")
    holder = child_of(settings, "leader")
    with pytest.raises(PortBusyError, match=f"taken by process {holder}"):
        supervisor.start_missing(settings, [leader, wanted], lambda _: None)
    assert runs(holder)
