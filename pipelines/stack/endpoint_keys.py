"""Keys of the endpoint: made, listed and taken away; its processes read the file again by themselves."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from pipelines.settings import Settings
from pipelines.stack.files import write_private
from pipelines.stack.passwords import passwords
from serving.keys import Key, KeyFile, Scope, sha256_of


class KeysError(Exception):
    """A key cannot be made or found; the message says what to do."""


def read_keys(settings: Settings) -> tuple[Key, ...]:
    """The keys that were made, oldest first.

    Raises:
        KeysError: The file is broken.
    """
    try:
        return msgspec.json.decode(settings.keys_file.read_bytes(), type=KeyFile).keys
    except FileNotFoundError:
        return ()
    except msgspec.MsgspecError as error:
        raise KeysError(
            f"{settings.keys_file}: no list of keys ({error}); move it away and make them anew"
        ) from error


def add_key(settings: Settings, name: str, scopes: Sequence[Scope], per_second: float | None) -> str:
    """Make a key; gives it, the only time that it is known.

    Raises:
        KeysError: There is one of this name.
    """
    known = read_keys(settings)
    if any(key.name == name for key in known):
        raise KeysError(f"there is a key {name!r} already: take it away first, or choose another name")
    token = secrets.token_urlsafe(32)
    made = Key(
        name, sha256_of(token), tuple(scopes), datetime.now(UTC).isoformat(timespec="seconds"), per_second
    )
    _write(settings, (*known, made))
    return token


def remove_key(settings: Settings, name: str) -> None:
    """Take a key away; the endpoint refuses it within a second.

    Raises:
        KeysError: There is none of this name.
    """
    known = read_keys(settings)
    left = tuple(key for key in known if key.name != name)
    if len(left) == len(known):
        names = ", ".join(key.name for key in known) or "none"
        raise KeysError(f"there is no key {name!r}: `shoploop keys list` shows those there are ({names})")
    _write(settings, left)


def key_header(settings: Settings) -> dict[str, str]:
    """What shoploop itself asks its endpoint with, nothing where no stack was ever started."""
    if not settings.secrets_file.exists():
        return {}
    return {"authorization": f"Bearer {passwords(settings).admin_token}"}


def _write(settings: Settings, keys: tuple[Key, ...]) -> None:
    content = msgspec.json.format(msgspec.json.encode(KeyFile(keys)), indent=2)
    write_private(settings.keys_file, content.decode() + "\n")
