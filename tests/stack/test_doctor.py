"""What doctor finds, and that each finding says what to do."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.stack import doctor
from pipelines.stack.environment import stack_environment
from tests.stack.strangers import LISTENER, Spawn


def only(findings: list[doctor.Finding]) -> doctor.Finding:
    assert len(findings) == 1
    return findings[0]


def checkout_with_lock(tmp_path: Path, lock: str) -> Path:
    folder = tmp_path / "checkout" / "requirements"
    folder.mkdir(parents=True)
    for accelerator in ("cpu", "gpu"):
        (folder / f"platform-{accelerator}.txt").write_text(lock)
    return folder.parent


def test_examine__says_what_to_do_about_everything_that_is_not_well(settings: Settings) -> None:
    findings = doctor.examine(settings)
    assert {"Python", "Packages", "Disk", "Memory", "GPU", "git"} <= {finding.subject for finding in findings}
    assert [finding for finding in findings if (finding.level == "ok") == bool(finding.remedy)] == []


def test_packages__names_each_version_that_differs_from_the_lock(settings: Settings, tmp_path: Path) -> None:
    lock = (
        f"psutil=={version('psutil')} \\\n    --hash=sha256:00\n"
        "typer==0.0.1 \\\n    --hash=sha256:00\n"
        "never-there==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
        "missing-here==2.0 ; python_full_version >= '3.11' \\\n    --hash=sha256:00\n"
    )
    changed = settings.model_copy(update={"checkout": checkout_with_lock(tmp_path, lock)})
    found = only(doctor.packages(changed))
    assert found.level == "blocks"
    assert f"typer {version('typer')} instead of 0.0.1" in found.found
    assert "missing-here missing instead of 2.0" in found.found
    assert "psutil" not in found.found
    assert "never-there" not in found.found


def test_locked_versions__reads_the_real_lock_whole(settings: Settings) -> None:
    lock = settings.checkout / "requirements" / "platform-cpu.txt"
    names = re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==[^;]+?\\?$", lock.read_text(), re.MULTILINE)
    found = [name for name, _ in doctor.locked_versions(lock)]
    assert len(names) > 200
    assert set(names) <= set(found)


def test_stack_ports__a_stranger_blocks_and_the_remedy_names_a_free_port(
    settings: Settings, stranger: Spawn
) -> None:
    process = stranger(LISTENER.format(port=settings.port_airflow))
    found = doctor.stack_ports(settings)[0]
    assert found.level == "blocks"
    assert f"taken by process {process.pid}" in found.found
    assert found.remedy.startswith("shoploop up --port-airflow ")


def test_stack_ports__tells_a_leftover_of_this_stack_from_a_stranger(
    settings: Settings, stranger: Spawn
) -> None:
    marked = stack_environment(settings)
    process = stranger(LISTENER.format(port=settings.port_airflow), environment=marked)
    found = doctor.stack_ports(settings)[0]
    assert found.level == "warning"
    assert found.found == f"held by process {process.pid}, left over from this stack"
    assert found.remedy == "`shoploop down` stops it"
    assert process.poll() is None


def test_home_folder__warns_when_others_can_read_the_passwords(settings: Settings) -> None:
    settings.secrets_file.write_text("{}")
    settings.secrets_file.chmod(0o644)
    found = only(doctor.home_folder(settings))
    assert (found.level, found.remedy) == ("warning", f"chmod 600 {settings.secrets_file}")


@pytest.mark.parametrize(("free", "level"), [(1.9, "blocks"), (5.9, "warning"), (6.0, "ok")])
def test_disk__grades_what_is_free(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: float, level: str
) -> None:
    usage = type("Usage", (), {"free": free * doctor.GIB})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    found = only(doctor.disk(settings))
    assert found.level == level
    assert ("SHOPLOOP_HOME" in found.remedy) == (level != "ok")


def test_git__warns_of_a_copy_without_history(settings: Settings, tmp_path: Path) -> None:
    copied = settings.model_copy(update={"checkout": tmp_path})
    assert only(doctor.git(copied)).level == "warning"


def test_doctor__ends_with_an_exit_code_that_scripts_understand(settings: Settings, stranger: Spawn) -> None:
    stranger(LISTENER.format(port=settings.port_mlflow))
    environment = {"SHOPLOOP_HOME": str(settings.home), "SHOPLOOP_PORT_MLFLOW": str(settings.port_mlflow)}
    command = [sys.executable, "-m", "pipelines.cli", "doctor", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert f"shoploop up --port-mlflow {settings.port_mlflow + 1}"[:-2] in done.stdout
