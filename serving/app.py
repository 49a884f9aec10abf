"""The data plane over HTTP: bare ASGI, so that a request costs little more than its answer."""

import asyncio
import gc
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from serving import pages
from serving.environment import Environment
from serving.keys import Keys, open_scopes, own_tokens
from serving.logs import ASKED, Asked
from serving.plane import DataPlane, new_request_id
from serving.routes import ROUTES, Route
from serving.schemas import (
    MAX_BODY_BYTES,
    ErrorAnswer,
    PromotionsAnswer,
    RecommendationsAnswer,
    RefusalError,
)
from serving.turns import ShedError, Turns

if TYPE_CHECKING:
    from serving.traces import Traces

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 20
MAX_DISCARDED = 64 << 20  # read and thrown away after a refusal, so that the sender can read the answer
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
JSON_TYPE = b"application/json"
LISTS = (RecommendationsAnswer, PromotionsAnswer)

logger = logging.getLogger("serving")
encoder = msgspec.json.Encoder()


class Answer(NamedTuple):
    """What is sent; ``retry_after`` in seconds, 0 for none; step of the fallback chain and variant of a list."""

    status: int
    kind: bytes
    body: bytes
    retry_after: float = 0.0
    made_by: tuple[str, str] | None = None


class DisconnectError(Exception):
    """The client went away before its request was complete."""


class App:
    """ASGI application of one release.

    Args:
        environment: Where everything is.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._plane: DataPlane | None = None
        self._traces: Traces | None = None
        self._draining = False
        self._turns = Turns(environment.most_waiting, environment.longest_wait_ms / 1000)
        self._keys = Keys(environment.keys_file, own_tokens(environment), open_scopes(environment))
        self._routes: dict[tuple[str, str], Route | pages.Page] = {
            **{("GET", path): page for path, page in pages.PAGES.items()},
            **{(route.method, route.path): route for route in ROUTES},
        }
        self._allowed = _allowed_methods(list(self._routes))
        self._patterns = [route.path for route in ROUTES if route.parameter]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            if self._traces is None:
                await self._serve(scope, receive, send)
            else:
                await self._traces.request(self._serve, scope, receive, send)

    def drain(self) -> None:
        """Prepare to stop: from now on every answer closes its connection and ``/readyz`` says no."""
        self._draining = True

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._plane = DataPlane(self._environment)
            self._traces = _traces(self._environment, self._plane)
        except Exception as error:
            logger.exception("the data plane cannot start: %s", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        # What is loaded stays: a full collection would look through all of it, while every request waits.
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._plane.close()
        if self._traces is not None:
            self._traces.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        assert self._plane is not None, "the server must run the lifespan protocol"
        started = time.perf_counter()
        request_id = _request_id(scope)
        path, named = self._known_path(scope["path"])
        ASKED.set(Asked(request_id, path))
        try:
            answer = await self._respond(self._plane, scope, receive, request_id, path, named)
        except DisconnectError:
            return
        extra = self._extra_headers(path, answer.status, answer.retry_after)
        await _send(send, answer.status, answer.kind, answer.body, request_id, extra)
        metrics, seconds = self._plane.metrics, time.perf_counter() - started
        metrics.requests.labels(path, answer.status).inc()
        metrics.seconds.labels(path).observe(seconds)
        if answer.made_by:
            metrics.answer_seconds.labels(path, *answer.made_by).observe(seconds)
        if self._environment.log_requests:
            facts = {"status": answer.status, "seconds": round(seconds, 6)}
            logger.info("answered %d in %.1f ms", answer.status, 1000 * seconds, extra=facts)

    def _extra_headers(self, path: str, status: int, retry_after: float) -> list[tuple[bytes, bytes]]:
        extra = [(b"connection", b"close")] if self._draining else []
        if retry_after:
            extra.append((b"retry-after", str(math.ceil(retry_after)).encode()))
        if status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
        return [*extra, (b"allow", self._allowed[path])] if status == 405 else extra

    async def _respond(
        self, plane: DataPlane, scope: Message, receive: Receive, request_id: str, path: str, named: list[str]
    ) -> Answer:
        try:
            route = self._route(scope, path)
            if isinstance(route, pages.Page):
                return Answer(200, route.kind, route.body)
            if self._draining and route.path == "/readyz":
                raise RefusalError(503, "draining", "The process is about to stop")
            if route.needs:
                self._keys.check(_header(scope, b"authorization"), route.needs)
            if route.makes_list:
                self._turns.refuse_beyond()
            body = await _read(scope, receive) if route.request else scope["query_string"]
            turn: AbstractAsyncContextManager[None] = self._turns if route.makes_list else nullcontext()
            async with turn:
                answer = await getattr(plane, route.handler)(body, request_id, *named)
        except RefusalError as refused:
            if isinstance(refused, ShedError):
                plane.metrics.shed.labels(path).inc()
            answer = ErrorAnswer(refused.error, refused.message, request_id)
            return Answer(refused.status, JSON_TYPE, encoder.encode(answer), refused.retry_after)
        except DisconnectError:
            raise
        except Exception:
            logger.exception("the request failed")
            answer = ErrorAnswer("internal_error", "This is a defect; the log has the request id", request_id)
            return Answer(500, JSON_TYPE, encoder.encode(answer))
        if isinstance(answer, bytes):
            return Answer(200, route.kind, answer)
        made_by = (answer.source, answer.variant) if isinstance(answer, LISTS) else None
        return Answer(200, JSON_TYPE, encoder.encode(answer), made_by=made_by)

    def _known_path(self, asked: str) -> tuple[str, list[str]]:
        """The path of a route, and what the request names by it; ``unknown`` for any other."""
        if asked in self._allowed:
            return asked, []
        for pattern in self._patterns:
            start = pattern[: pattern.index("{")]
            if asked.startswith(start) and len(asked) > len(start):
                return pattern, [asked[len(start) :]]
        return "unknown", []

    def _route(self, scope: Message, path: str) -> Route | pages.Page:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if route := self._routes.get((method, path)):
            return route
        if path in self._allowed:
            raise RefusalError(
                405, "method_not_allowed", f"{path} does not take {scope['method']}; see /docs"
            )
        raise RefusalError(404, "not_found", "No such path; /docs lists them all")


def _traces(environment: Environment, plane: DataPlane) -> "Traces | None":
    """Nothing is imported, and nothing is in the way of a request, where no traces are asked for."""
    if not environment.traces:
        return None
    from serving.traces import Traces

    traces = Traces(environment.traces, environment.traces_share, environment.release_id)
    plane.pass_through(traces.steps_of)
    return traces


def _allowed_methods(routes: list[tuple[str, str]]) -> dict[str, bytes]:
    """What the header Allow says, by path."""
    allowed: dict[str, list[str]] = {}
    for method, path in routes:
        allowed.setdefault(path, []).extend(["GET", "HEAD"] if method == "GET" else [method])
    return {path: ", ".join(methods).encode() for path, methods in allowed.items()}


async def _read(scope: Message, receive: Receive) -> bytes:
    """The body, refused with 413 without ever holding more than the limit."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            if int(declared) > MAX_BODY_BYTES:
                await _refuse_large(receive, 0)
            return await _gather(receive)
    except TimeoutError as error:
        message = f"The body did not arrive within {BODY_SECONDS} s"
        raise RefusalError(408, "body_too_slow", message) from error


async def _gather(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            chunks.clear()
            await _refuse_large(receive, size, message.get("more_body", False))
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _refuse_large(receive: Receive, size: int, more: bool = True) -> None:
    while more and size <= MAX_DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectError
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    reason = f"Expected a body of at most {MAX_BODY_BYTES} bytes; split the batch"
    raise RefusalError(413, "body_too_large", reason)


def _request_id(scope: Message) -> str:
    given = _header(scope, b"x-request-id")
    return given.decode() if REQUEST_ID.fullmatch(given) else new_request_id()


def _header(scope: Message, wanted: bytes) -> bytes:
    found: bytes = next((value for name, value in scope["headers"] if name == wanted), b"")
    return found


async def _send(
    send: Send, status: int, kind: bytes, body: bytes, request_id: str, extra: list[tuple[bytes, bytes]]
) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
        *extra,
    ]
    if kind.startswith(b"text/html"):
        headers.append((b"content-security-policy", pages.CONTENT_SECURITY_POLICY))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
