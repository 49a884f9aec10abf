"""The reader of event logs over HTTP, as the endpoint serves its own at ``GET /v1/events``.

A log answers ``GET <location><from>?after=SEQ&limit=N`` with up to N lines, each an object with a whole number
``seq``, in rising order; no line means that there is nothing newer.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from pipelines.sources.declaration import DataSetMapping, SourceDeclaration, SourceError
from pipelines.sources.errors import masked
from pipelines.sources.readers.encodings import Transcoder
from pipelines.sources.readers.jsonl_files import Row, parse_line, to_table
from pipelines.sources.readers.named_columns import named_columns, with_columns
from pipelines.sources.readers.pieces import Chunk, Piece
from pipelines.sources.readers.text_files import tell_marks

PAGE = 1_000
MOST_BYTES = 64 << 20  # of one answer
WAIT_SECONDS = 30
BACKOFF_SECONDS = (0.5, 1, 2, 4, 8)
PASSING = (408, 425, 429, 500, 502, 503, 504)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SEQ = re.compile(rb'"seq"\s*:\s*(\d+)')


class StreamReader:
    """Reads one event log.

    Args:
        source: Its declaration. A password in the location (``http://:${TOKEN}@host``) is sent as bearer token.
        pause: Waits some seconds before a request is repeated.

    Raises:
        SourceError: The location is no HTTP URL.
    """

    def __init__(self, source: SourceDeclaration, pause: Callable[[float], None] = time.sleep) -> None:
        self._source, self._pause = source, pause
        parts = urlsplit(source.opened_location())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceError(
                f"source {source.name}: location: expected a URL such as https://:${{TOKEN}}@host, found "
                f"{source.shown_location!r}"
            )
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        token = unquote(parts.password or "")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._uses_proxies = parts.hostname not in LOOPBACK

    def pieces(self, data_set: DataSetMapping) -> list[Piece]:
        """The log, which only grows."""
        return [Piece(data_set.from_, "")]

    def read(
        self,
        data_set: DataSetMapping,
        piece: Piece,
        after: Any | None,
        rows: int,
    ) -> Iterator[Chunk]:
        """Events after a position, page by page; an empty log gives no chunk, since its columns are not known."""
        position = after or {"seq": 0, "row": 0}
        # No redirect is followed: the token is for this host alone.
        with httpx.Client(
            headers=self._headers, timeout=WAIT_SECONDS, trust_env=self._uses_proxies
        ) as client:
            while lines := self._page(client, piece.name, position, min(rows, PAGE))[:rows]:
                found = [parse_line(line) for line, _ in lines]
                seq = self._last_seq(piece.name, lines, found, position["seq"])
                first = position["row"] + 1
                position = {"seq": seq, "row": position["row"] + len(lines)}
                table = with_columns(to_table(found), named_columns(data_set))
                marked = any(has_marks for _, has_marks in lines)
                yield Chunk(tell_marks(table, "utf-8") if marked else table, piece.name, first, position)

    def _page(
        self, client: httpx.Client, path: str, position: dict[str, int], limit: int
    ) -> list[tuple[bytes, bool]]:
        """Lines as UTF-8, and whether there may be marks in them."""
        url = self._base if self._base.endswith(path) else f"{self._base}/{path.lstrip('/')}"
        body = self._ask(client, url, {"after": position["seq"], "limit": limit}, path, position["row"])
        transcode = Transcoder("utf-8")
        return [transcode(line) for line in body.split(b"\n") if line.strip()]

    def _ask(self, client: httpx.Client, url: str, query: dict[str, int], path: str, row: int) -> bytes:
        trouble = ""
        for seconds in (*BACKOFF_SECONDS, None):
            try:
                with client.stream("GET", url, params=query) as answer:
                    body = self._body(answer, path)
                if answer.status_code == httpx.codes.OK:
                    return body
                trouble = f"it answers {answer.status_code} {_shown(body)}"
                if answer.status_code not in PASSING:
                    raise self._refused(path, answer.status_code, trouble)
            except httpx.HTTPError as error:
                trouble = f"{type(error).__name__}: {error}"
            if seconds is not None:
                self._pause(seconds)
        raise SourceError(
            f"source {self._source.name}: {path}: {self._source.shown_location} gave no answer after row {row} "
            f"({masked(trouble)}); what was read so far is kept: repeat the command to go on from there"
        )

    def _body(self, answer: httpx.Response, path: str) -> bytes:
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise SourceError(
                    f"source {self._source.name}: {path}: expected answers of at most {MOST_BYTES >> 20} MiB, found "
                    "a longer one; is this an event log that knows `limit`?"
                )
        return bytes(body)

    def _refused(self, path: str, status: int, trouble: str) -> SourceError:
        remedy = "correct `location` or `from`"
        if status in (401, 403):
            remedy = "set the token: `location: https://:${TOKEN}@host` with TOKEN in the environment"
        return SourceError(
            f"source {self._source.name}: {path}: {self._source.shown_location} cannot be read "
            f"({masked(trouble)}); {remedy}"
        )

    def _last_seq(
        self, path: str, lines: list[tuple[bytes, bool]], found: list[Row | str], after: int
    ) -> int:
        numbers = [_seq(row, line) for row, (line, _) in zip(found, lines, strict=True)]
        known = [number for number in numbers if number is not None]
        if not known or max(known) <= after:
            raise SourceError(
                f"source {self._source.name}: {path}: expected lines with a `seq` above {after}, found "
                f"{_shown(lines[0][0])}; a log that does not count its events cannot be gone on with"
            )
        return max(known)


def _seq(row: Row | str, line: bytes) -> int | None:
    """The number of a line, also of one that is broken behind it."""
    if isinstance(row, dict):
        written = row.get("seq") or ""
        return int(written) if written.isdecimal() else None
    found = SEQ.search(line)
    return int(found[1]) if found else None


def _shown(body: bytes) -> str:
    return repr(body[:200].decode("utf-8", "replace").strip())
