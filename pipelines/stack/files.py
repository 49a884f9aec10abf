"""Small JSON files of the stack: written whole or not at all, readable by their owner only."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """The object in ``path``; empty when there is no such file.

    Raises:
        ValueError: The file is not a JSON object; the message names it and the remedy.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); move it away and start again") from error
    if not isinstance(found, dict):
        raise ValueError(
            f"{path}: expected an object, found {type(found).__name__}; move it away and start again"
        )
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace ``path`` in one step, with mode 0600."""
    write_private(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step, with mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file 0600 from the start: a password is never readable by others, not even briefly.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(name, path)
