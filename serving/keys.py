"""Who may ask: keys with scopes, known by their hashes, read again while the process runs."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from serving.environment import Environment
from serving.schemas import RefusalError

Scope = Literal["read", "events", "log", "admin"]
SCOPES: Mapping[Scope, str] = {
    "read": "ask for lists",
    "events": "post events",
    "log": "read the event log",
    "admin": "change what is shown",
}
REFRESH_SECONDS = 0.25
BEARER = b"Bearer "

logger = logging.getLogger("serving")


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key without the key itself.

    Attributes:
        name: For people.
        sha256: Of the key. It is 32 random bytes, so that a quick hash does.
        scopes: What it is for.
        created_at: ISO 8601.
        per_second: Requests that each process lets through a second, and at once; as many as come without.
    """

    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: str = ""
    per_second: float | None = None


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies in the file."""

    keys: tuple[Key, ...] = ()


def own_tokens(environment: Environment) -> dict[str, tuple[Scope, ...]]:
    """The tokens that a process is told; that of the shop itself is for everything."""
    tokens: dict[str, tuple[Scope, ...]] = {
        environment.events_token: ("log",),
        environment.admin_token: (*SCOPES,),
    }
    return {token: scopes for token, scopes in tokens.items() if token}


def open_scopes(environment: Environment) -> frozenset[str]:
    """What needs no key."""
    return frozenset(environment.open_scopes.split(",")) - {"none"}


def sha256_of(token: str) -> str:
    """How a key is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


class _Bucket:
    """As many requests at once as come in a second on average."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._rate, self._clock = per_second, clock
        self._most = max(per_second, 1.0)
        self._left, self._at = self._most, clock()

    def seconds_to_wait(self) -> float:
        """Take one; how long to wait instead when there is none."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate


class Keys:
    """Lets requests through, or says why not.

    Args:
        file: Of the keys; looked at four times a second, so that a key is added or taken away without a restart.
        own: Tokens that this process was told, each with its scopes.
        open_scopes: What needs no key.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        file: Path | None,
        own: Mapping[str, Sequence[Scope]],
        open_scopes: frozenset[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._open, self._clock = file, open_scopes, clock
        made = (Key("of this installation", sha256_of(token), tuple(scopes)) for token, scopes in own.items())
        self._own = {key.sha256: key for key in made}
        self._known = dict(self._own)
        self._buckets: dict[str, _Bucket] = {}
        self._seen, self._look_at = -1, 0.0

    def check(self, header: bytes, scope: Scope) -> None:
        """Let a request through.

        Args:
            header: Its ``authorization``.
            scope: What it does.

        Raises:
            RefusalError: 401 without a known key, 403 with one that is for something else or where nobody has one, 429
                when there are too many.
        """
        key = self._key(header)
        if key is None:
            if scope in self._open:
                return
            if not any(scope in one.scopes for one in self._known.values()):
                message = f"Nobody may {SCOPES[scope]} here: make a key with `shoploop keys add NAME --scope {scope}`"
                raise RefusalError(403, "closed", message)
            raise RefusalError(401, "unauthorized", "Expected the header `Authorization: Bearer <key>`")
        if scope not in key.scopes:
            raise RefusalError(403, "forbidden", f"The key {key.name!r} is not one to {SCOPES[scope]}")
        self._count(key)

    def _count(self, key: Key) -> None:
        if key.per_second is None:
            return
        bucket = self._buckets.setdefault(key.sha256, _Bucket(key.per_second, self._clock))
        if wait := bucket.seconds_to_wait():
            message = f"More than {key.per_second:g} requests a second with the key {key.name!r}"
            raise RefusalError(429, "too_many_requests", message, retry_after=wait)

    def _key(self, header: bytes) -> Key | None:
        if self._file is not None and self._clock() >= self._look_at:
            self._look(self._file)
            self._look_at = self._clock() + REFRESH_SECONDS
        if not header.startswith(BEARER):
            return None
        return self._known.get(hashlib.sha256(header[len(BEARER) :]).hexdigest())

    def _look(self, file: Path) -> None:
        try:
            changed_at = file.stat().st_mtime_ns
            if changed_at == self._seen:
                return
            found = msgspec.json.decode(file.read_bytes(), type=KeyFile)
        except FileNotFoundError:
            found, changed_at = KeyFile(), -1
        except (OSError, msgspec.MsgspecError) as error:
            logger.error("%s: keys stay as they were: %s", file, error)
            return
        self._known = {key.sha256: key for key in found.keys} | self._own
        self._buckets = {}
        self._seen = changed_at
