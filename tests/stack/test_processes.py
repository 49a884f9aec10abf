"""Stopping: everything of the stack, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.stack import processes
from pipelines.stack.environment import STACK_MARK, stack_environment
from pipelines.stack.files import read_json, write_json
from tests.processes import runs, wait_until_dead
from tests.stack.strangers import SLEEPER, Spawn

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


def started(settings: Settings, *command: str) -> processes.Record:
    return processes.start(settings, "part", (sys.executable, "-c", *command), stack_environment(settings))


def written(path: Path) -> str:
    end = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"{path} was not written"
        time.sleep(0.02)
    return path.read_text()


def test_start__records_a_process_in_its_own_session_with_its_log(settings: Settings) -> None:
    record = started(settings, "print('hello', flush=True); import time; time.sleep(600)")
    assert os.getsid(record.pid) == record.pid
    assert processes.recorded(settings, "part") == record
    assert written(processes.log_file(settings, "part")) == "hello\n"


def test_stop__ends_the_recorded_process_and_forgets_it(settings: Settings) -> None:
    record = started(settings, SLEEPER)
    assert processes.stop(settings, ["part"], grace_seconds=5) == ["part"]
    assert not runs(record.pid)
    assert processes.recorded(settings, "part") is None
    assert processes.stop(settings, ["part"], grace_seconds=5) == []


def test_stop__kills_what_ignores_the_request(settings: Settings) -> None:
    record = started(settings, DEAF)
    assert written(processes.log_file(settings, "part")) == "ready\n"
    processes.stop(settings, ["part"], grace_seconds=0.3)
    assert not runs(record.pid)


def test_stop_strays__finds_a_child_in_another_session_after_its_parent_was_killed(
    settings: Settings, tmp_path: Path
) -> None:
    record = started(settings, PARENT, str(tmp_path / "child"))
    child = int(written(tmp_path / "child"))
    os.kill(record.pid, signal.SIGKILL)
    wait_until_dead(record.pid)
    assert processes.stop(settings, ["part"], grace_seconds=1) == []
    assert runs(child)  # no record leads to it any more
    assert len(processes.stop_strays(settings, grace_seconds=5)) == 1
    assert not runs(child)


def test_stop_strays__spares_strangers_and_other_stacks(settings: Settings, stranger: Spawn) -> None:
    plain = stranger()
    other = stranger(environment=os.environ | {STACK_MARK: str(settings.home) + "-other"})
    assert processes.stop_strays(settings, grace_seconds=1) == []
    assert runs(plain.pid)
    assert runs(other.pid)


def test_stop__spares_a_stranger_that_got_the_recorded_pid(settings: Settings, stranger: Spawn) -> None:
    started(settings, SLEEPER)
    processes.stop(settings, ["part"], grace_seconds=5)
    process = stranger()
    record = {"name": "part", "pid": process.pid, "created": time.time() - 3600, "command": ["x"]}
    write_json(settings.home / "processes" / "part.json", record)
    assert processes.recorded(settings, "part") is None
    processes.stop(settings, ["part"], grace_seconds=1)
    assert runs(process.pid)


def test_stop_strays__spares_itself_when_run_from_inside_the_stack(settings: Settings) -> None:
    code = (
        "from pathlib import Path\nfrom pipelines.settings import Settings\n"
        "from pipelines.stack import processes\n"
        f"processes.stop_strays(Settings(home=Path({str(settings.home)!r})), 1); print('survived')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=stack_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "survived\n", done.stderr


def test_write_json__is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_json(path, {"b": 1, "a": 2})
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"a": 2, "b": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize(("text", "complaint"), [("{", "not JSON"), ("[]", "expected an object, found list")])
def test_read_json__names_the_file_and_the_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "stack.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert "move it away" in str(caught.value)
