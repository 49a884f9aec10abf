"""How commands speak: sentences on stdout, one JSON document with `--json`, failures on stderr."""

import getpass
import json
import sys
from typing import Any, NoReturn

import typer


def say(line: str = "") -> None:
    """Print a line at once, so that it can be followed through a pipe."""
    print(line, flush=True)


def say_json(content: Any) -> None:
    """Print the one JSON document of a command."""
    print(json.dumps(content, indent=2, sort_keys=True, default=str), flush=True)


def whisper(line: str = "") -> None:
    """Print progress on stderr: with `--json`, stdout holds nothing but the document."""
    print(line, file=sys.stderr, flush=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """End the command with a message on stderr."""
    print(message, file=sys.stderr, flush=True)
    raise typer.Exit(code)


def current_user() -> str:
    """Who runs this command, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"
