"""What the landing tests share."""

from collections.abc import Callable
from pathlib import Path

HISTORY = 5
WeekFile = Callable[..., Path]


def files_of(folder: Path) -> dict[str, bytes]:
    """Contents of all files below ``folder``."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
