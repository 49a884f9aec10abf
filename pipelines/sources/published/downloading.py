"""Downloads that go on where they were interrupted, are checked, and are not made twice.

NAME             the file, once it is whole
NAME.part        as much of it as has arrived
NAME.part.json   which content that is: a server that has another one by now is asked for all of it
downloads.json   URL, size and SHA-256 of every file that was downloaded here
"""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from pipelines.sources.errors import SourceError
from pipelines.tables import read_json, sha256, write_json

ATTEMPTS = 3  # of one call, each going on where the one before was interrupted
WAIT_SECONDS = 30.0
SAY_EVERY = 2.0  # seconds
MEGABYTE = 1_000_000
Say = Callable[[str], None]


def name_of(url: str) -> str:
    """The name of the file that a URL leads to."""
    return Path(unquote(urlsplit(url).path)).name


def download(url: str, target: Path, say: Say) -> None:
    """Bring a file here, unless it is here already.

    Args:
        url: Where it is.
        target: Where it is put; a file that is there, also one put there by hand, is left alone.
        say: Told how far it is.

    Raises:
        SourceError: It cannot be had, or differs from what was downloaded from there before.
    """
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _whole(url, part, target, say)
        _keep(url, part, target)
    except OSError as error:
        raise SourceError(
            f"{target}: cannot be written ({error.strerror or error}); make room, or make the folder writable, "
            "and run the same command again: it goes on where it stopped"
        ) from error


def _whole(url: str, part: Path, target: Path, say: Say) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _go_on(url, part, target, say)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise SourceError(f"{url} cannot be reached ({_why(error)}); {_by_hand(url, target)}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if attempt == ATTEMPTS:
                raise SourceError(
                    f"{url}: the download was interrupted after {_size(part):,} bytes ({_why(error)}); run the same "
                    f"command again and it goes on from there, or {_by_hand(url, target)}"
                ) from error


def _go_on(url: str, part: Path, target: Path, say: Say) -> None:
    start = _size(part) if _validator(url, part) else 0
    headers = {"Accept-Encoding": "identity"}  # the file itself, not what a server packs it into on the way
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": _validator(url, part)}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=WAIT_SECONDS) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("Content-Range") == f"bytes */{start}":
                return  # nothing was missing
            part.unlink()
            raise httpx.ReadError("the server has another file by now")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise SourceError(
                f"{url} answers {answer.status_code} {answer.reason_phrase}: the publishers may have moved the "
                f"file; {_by_hand(url, target)}"
            )
        _write(url, answer, part, start if _continues(answer, start) else 0, say)


def _continues(answer: httpx.Response, start: int) -> bool:
    """Whether the answer is the rest that was asked for; with another content it is the whole file."""
    if answer.status_code == httpx.codes.OK:
        return False
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise httpx.ReadError(f"asked for the bytes from {start} on, got others")
    return True


def _write(url: str, answer: httpx.Response, part: Path, start: int, say: Say) -> None:
    if not start:
        part.unlink(missing_ok=True)
        # A weak tag does not promise equal bytes, and so cannot be gone on from.
        tag = answer.headers.get("ETag", "")
        validator = answer.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
        write_json(_sidecar(part), {"url": url, "validator": validator})
    rest = answer.headers.get("Content-Length")
    total = start + int(rest) if rest else None
    told, done = time.monotonic(), start
    with part.open("ab") as file:
        for (
            block
        ) in answer.iter_raw():  # as they come: blocks of a size would be lost in part with the connection
            file.write(block)
            done += len(block)
            if time.monotonic() - told > SAY_EVERY:
                told = time.monotonic()
                say(_progress(name_of(url), done, total))
    if total is not None and done != total:
        raise httpx.ReadError(f"expected {total} bytes, got {done}")
    say(_progress(name_of(url), done, total))


def _keep(url: str, part: Path, target: Path) -> None:
    book_path = target.parent / "downloads.json"
    book = read_json(book_path) if book_path.exists() else {}
    digest = sha256(part)
    noted = book.get(target.name, {}).get("sha256", digest)
    if digest != noted:
        changed = target.with_name(target.name + ".changed")
        part.replace(changed)
        raise SourceError(
            f"{url} is not what was downloaded before: SHA-256 was {noted}, is {digest}; if the new one is to "
            f"count, rename {changed} to {target.name} and take its entry out of {book_path}"
        )
    write_json(book_path, book | {target.name: {"url": url, "bytes": _size(part), "sha256": digest}})
    part.replace(target)
    _sidecar(part).unlink(missing_ok=True)


def _validator(url: str, part: Path) -> str:
    if not part.exists() or not _sidecar(part).exists():
        return ""
    known = read_json(_sidecar(part))
    return str(known["validator"]) if known["url"] == url else ""


def _sidecar(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _by_hand(url: str, target: Path) -> str:
    return f"download it by hand from {url} and put it to {target}"


def _why(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _progress(name: str, done: int, total: int | None) -> str:
    if total is None:
        return f"{name}: {done / MEGABYTE:,.1f} MB downloaded"
    return f"{name}: {done / MEGABYTE:,.1f} of {total / MEGABYTE:,.1f} MB downloaded"
