"""What could stand in the way on this machine, and what to do about each finding."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from pipelines.settings import PORT_FIELDS, Settings
from pipelines.stack import ports, processes
from pipelines.stack.components import components

GIB = 2**30
# Measured: the environment takes 4 GiB, the first run 2 GiB; the stack 1.2 GiB of memory, training 3 GiB.
DISK_BLOCKS_GIB, DISK_WARNS_GIB = 2, 6
MEMORY_BLOCKS_GIB, MEMORY_WARNS_GIB = 2, 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at.
        level: ``ok``, ``warning`` or ``blocks``.
        found: What is there.
        remedy: What to do; empty when nothing needs doing.
    """

    subject: str
    level: str
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is changed."""
    looks: list[Callable[[Settings], list[Finding]]] = [
        python,
        packages,
        disk,
        memory,
        home_folder,
        stack_ports,
        gpu,
        git,
        home_environment,
    ]
    return [finding for look in looks for finding in look(settings)]


def python(_: Settings) -> list[Finding]:
    """Python 3.11 to 3.13."""
    found = f"{platform.python_version()} ({sys.executable})"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return [Finding("Python", "ok", found)]
    return [
        Finding(
            "Python", "blocks", found, "take Python 3.11-3.13: make clean setup PYTHON=/path/to/python3.12"
        )
    ]


def packages(settings: Settings) -> list[Finding]:
    """Installed versions against the lock that fits this machine."""
    lock = settings.checkout / "requirements" / f"platform-{'gpu' if has_gpu() else 'cpu'}.txt"
    if not lock.exists():
        return [Finding("Packages", "warning", f"no {lock}", "restore it: git checkout requirements")]
    differing = [line for name, wanted in locked_versions(lock) if (line := _difference(name, wanted))]
    if not differing:
        return [Finding("Packages", "ok", f"as in {lock.name}")]
    shown = ", ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")
    return [
        Finding(
            "Packages",
            "blocks",
            f"{shown} (against {lock.name})",
            f"rm {sys.prefix}/.platform-* ; make setup",
        )
    ]


def locked_versions(lock: Path) -> list[tuple[str, str]]:
    """Names and versions in a lock that apply to this Python and platform."""
    from packaging.markers import Marker

    found = []
    for match in re.finditer(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==(\S+?)(?: *; *([^\\\n]+?))? *\\?$", lock.read_text(), re.M
    ):
        name, wanted, marker = match.groups()
        if not marker or Marker(marker).evaluate():
            found.append((name, wanted))
    return found


def disk(settings: Settings) -> list[Finding]:
    """Free space where runs are written."""
    place = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    free = shutil.disk_usage(place).free / GIB
    remedy = (
        f"free some space, or put it elsewhere: export SHOPLOOP_HOME=/big/disk/shoploop (now {settings.home})"
    )
    return [
        _graded(
            "Disk", free, DISK_BLOCKS_GIB, DISK_WARNS_GIB, f"{free:.1f} GiB free for {settings.home}", remedy
        )
    ]


def memory(_: Settings) -> list[Finding]:
    """Memory that is available now."""
    free = psutil.virtual_memory().available / GIB
    return [
        _graded(
            "Memory",
            free,
            MEMORY_BLOCKS_GIB,
            MEMORY_WARNS_GIB,
            f"{free:.1f} GiB available",
            "close other programs",
        )
    ]


def home_folder(settings: Settings) -> list[Finding]:
    """Whether ``$SHOPLOOP_HOME`` can be written, and whether its secrets are private."""
    place = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        remedy = "choose a folder of yours: export SHOPLOOP_HOME=$HOME/shoploop"
        return [Finding("SHOPLOOP_HOME", "blocks", f"{place} cannot be written", remedy)]
    secrets = settings.secrets_file
    if secrets.exists() and secrets.stat().st_mode & 0o077:
        return [Finding("SHOPLOOP_HOME", "warning", f"others can read {secrets}", f"chmod 600 {secrets}")]
    return [Finding("SHOPLOOP_HOME", "ok", f"{settings.home} can be written")]


def stack_ports(settings: Settings) -> list[Finding]:
    """Who holds the three ports."""
    ours = {part.port_field for part in components(settings) if processes.recorded(settings, part.name)}
    return [_port(settings, field, field in ours) for field in PORT_FIELDS]


def gpu(_: Settings) -> list[Finding]:
    """A GPU, and whether the installed TensorFlow can use it."""
    if not has_gpu():
        return [Finding("GPU", "ok", "none: training takes the processor, which is enough for this shop")]
    names = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    if _installed("tensorflow") and not _installed("tensorflow-cpu"):
        return [Finding("GPU", "ok", names)]
    return [
        Finding("GPU", "warning", f"{names}, but TensorFlow for processors is installed", "make clean setup")
    ]


def git(settings: Settings) -> list[Finding]:
    """Git, and whether the checkout is a repository: it is what a release is traced to."""
    if not shutil.which("git"):
        return [
            Finding("git", "warning", "not installed", "install git: releases name the commit they come from")
        ]
    if not (settings.checkout / ".git").exists():
        found = f"{settings.checkout} is not a repository"
        return [Finding("git", "warning", found, "clone it: releases then name the commit they come from")]
    return [Finding("git", "ok", _output("git", "--version"))]


def home_environment(_: Settings) -> list[Finding]:
    """Variables that make an interpreter see other packages than the locked ones."""
    set_ = [name for name in ("PYTHONPATH", "PYTHONHOME") if os.environ.get(name)]
    if not set_:
        return [Finding("Environment", "ok", "no variable redirects Python")]
    remedy = f"unset {' '.join(set_)}: they can hide the locked packages"
    return [Finding("Environment", "warning", f"{', '.join(set_)} is set", remedy)]


def has_gpu() -> bool:
    """Whether the driver lists one; importing TensorFlow to ask it would take 15 seconds."""
    return bool(shutil.which("nvidia-smi")) and bool(_output("nvidia-smi", "-L"))


def _port(settings: Settings, field: str, ours: bool) -> Finding:
    port = getattr(settings, field)
    subject = f"Port {port}"
    if ours:
        return Finding(subject, "ok", "held by this stack")
    if ports.is_free(settings.host, port):
        return Finding(subject, "ok", "free")
    if left := ports.leftovers(settings, port):
        found = f"held by process {left[0].pid}, left over from this stack"
        return Finding(subject, "warning", found, "`shoploop down` stops it")
    option = f"--{field.replace('_', '-')}"
    remedy = f"shoploop up {option} {ports.free_port(settings.host, port + 1)}"
    return Finding(subject, "blocks", f"taken by {ports.holder(port)}", remedy)


def _graded(subject: str, value: float, blocks: float, warns: float, found: str, remedy: str) -> Finding:
    if value >= warns:
        return Finding(subject, "ok", found)
    level = "blocks" if value < blocks else "warning"
    return Finding(subject, level, f"{found}; {warns} GiB are comfortable", remedy)


def _difference(name: str, wanted: str) -> str:
    installed = _installed(name)
    return "" if installed == wanted else f"{name} {installed or 'missing'} instead of {wanted}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
