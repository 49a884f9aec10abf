"""Traces on demand: on what a request spent its time, as OTLP/JSON to a collector or a file.

Imported only where a setting asks for it. A request is traced when its caller traces it (a sampled ``traceparent``),
and else by chance. Names of spans and their attributes are routes, steps and request ids, never shoppers or items.

Spans: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding, the file form is one request a line.
"""

import http.client
import inspect
import logging
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.logs import ASKED

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Serve = Callable[[Message, Receive, Send], Awaitable[None]]

SCOPE = "shoploop.serving"
SEND_SECONDS = 5.0
CALLER = (b"traceparent", b"tracestate")
METHODS = ("GET", "HEAD", "POST", "PUT")
STEPS = {
    **dict.fromkeys(("history", "known", "redeemed", "said", "show", "put"), "state"),
    **dict.fromkeys(
        ("recommend", "similar", "search", "new_arrivals", "rank", "complements", "offers"), "score"
    ),
    **dict.fromkeys(("append", "add"), "log"),
}
"""The span of each method that an answer passes through."""

logger = logging.getLogger("serving")


class Traces:
    """The spans of one data plane.

    Args:
        target: ``http://host:port`` of a collector, or a file.
        share: Share of the requests that are traced without being asked to, from 0 to 1.
        release: What answers.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, target: str, share: float, release: str) -> None:
        self._by_chance = share > 0
        self._provider = TracerProvider(
            sampler=ParentBased(root=TraceIdRatioBased(share)),
            resource=Resource.create({"service.name": "shoploop", "service.version": release}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OtlpJson(target)))
        self._tracer = self._provider.get_tracer(SCOPE)
        self._caller = TraceContextTextMapPropagator()

    async def request(self, serve: Serve, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request, and trace it where it is to be."""
        told = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CALLER}
        if not told and not self._by_chance:
            await serve(scope, receive, send)
            return
        with self._tracer.start_as_current_span(
            "request", self._caller.extract(told), SpanKind.SERVER, record_exception=False
        ) as span:

            async def send_seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await serve(scope, receive, send_seen)
            if asked := ASKED.get():
                method = scope["method"] if scope["method"] in METHODS else "_OTHER"
                span.update_name(f"{method} {asked.route}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": asked.route,
                        "shoploop.request_id": asked.request_id,
                    }
                )

    def steps_of(self, thing: Any) -> Any:
        """The same thing, whose methods among `STEPS` make spans in a traced request."""
        return _Traced(self, thing)

    def step(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call as a span of the request that is being traced, if one is."""
        name = STEPS[call.__name__]

        @wraps(call)
        def traced(*given: Any, **named: Any) -> Any:
            if not get_current_span().is_recording():
                return call(*given, **named)
            with self._tracer.start_as_current_span(name, record_exception=False) as span:
                span.set_attribute("code.function.name", call.__name__)
                found = call(*given, **named)
                if source := getattr(found, "source", ""):
                    span.set_attribute("shoploop.source", source)
                return found

        @wraps(call)
        async def traced_later(*given: Any, **named: Any) -> Any:
            with self._tracer.start_as_current_span(name, record_exception=False) as span:
                span.set_attribute("code.function.name", call.__name__)
                return await call(*given, **named)

        return traced_later if inspect.iscoroutinefunction(call) else traced

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class _Traced:
    def __init__(self, traces: Traces, thing: Any) -> None:
        self._thing = thing
        for name in STEPS:
            if hasattr(thing, name):
                setattr(self, name, traces.step(getattr(thing, name)))
        if hasattr(thing, "campaigns"):
            self.campaigns = _Traced(traces, thing.campaigns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)


class OtlpJson(SpanExporter):
    """Sends spans; those that cannot be sent are lost, and the log says so when it begins and when it ends.

    Args:
        target: ``http://host:port`` of a collector, or a file.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._is_lost = False
        self._send = self._post if target.startswith(("http://", "https://")) else self._append
        if self._send == self._append:
            self._append(b"")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a group, in the exporter's own thread."""
        try:
            self._send(msgspec.json.encode(otlp(spans)) + b"\n")
        except (OSError, http.client.HTTPException) as error:
            if not self._is_lost:
                logger.error("traces are lost, %s does not take them: %s", self._target, error)
            self._is_lost = True
            return SpanExportResult.FAILURE
        if self._is_lost:
            logger.info("%s takes traces again", self._target)
        self._is_lost = False
        return SpanExportResult.SUCCESS

    def _append(self, line: bytes) -> None:
        with Path(self._target).open("ab") as file:
            file.write(line)

    def _post(self, body: bytes) -> None:
        url, kind = self._target.rstrip("/") + "/v1/traces", {"content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, kind), timeout=SEND_SECONDS) as answer:
            answer.read()


def otlp(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Spans of one resource as an ``ExportTraceServiceRequest``."""
    resource = {"attributes": _attributes(spans[0].resource.attributes)}
    rows = {"scope": {"name": SCOPE}, "spans": [_row(span) for span in spans]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [rows]}]}


def _row(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None, "a span that is exported was started"
    row: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "name": span.name,
        "kind": span.kind.value + 1,  # OTLP counts from 1, 0 is unspecified
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }
    return row | ({"parentSpanId": f"{span.parent.span_id:016x}"} if span.parent else {})


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}
