"""Traces: read back as OpenTelemetry's own types, from a collector over HTTP and from a file."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import CHECKOUT, Plane, Starter, purchase

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-00"}


class Collector:
    """Takes OTLP/HTTP with JSON bodies."""

    def __init__(self, status: int = 200) -> None:
        self.bodies: list[bytes] = []
        self.status = status
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if (self.path, self.headers["content-type"]) == ("/v1/traces", "application/json"):
                    outer.bodies.append(body)
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def spans(*bodies: bytes | str) -> list[Span]:
    """All spans, read by the types that OpenTelemetry generates; its JSON has ids in hex, protobuf's in base64."""

    def ids(value: Any) -> Any:
        if isinstance(value, list):
            return [ids(one) for one in value]
        if not isinstance(value, dict):
            return value
        names = ("traceId", "spanId", "parentSpanId")
        return {
            name: base64.b64encode(bytes.fromhex(one)).decode() if name in names else ids(one)
            for name, one in value.items()
        }

    requests = [ParseDict(ids(json.loads(body)), ExportTraceServiceRequest()) for body in bodies]
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def facts(span: Span) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def stop(plane: Plane) -> None:
    plane.process.terminate()
    assert plane.process.wait(30) == 0


@on_each_store
def test_request__that_its_caller_traces_is_told_step_by_step(
    start: Starter, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPLOOP_TRACES", collector.url)
    plane = start()
    plane.wait()
    asked = {"x-request-id": "asked-1", **SAMPLED}
    assert plane.ask("POST", "/v1/recommendations", {"user_id": "1"}, asked)[0] == 200
    plane.ask("POST", "/v1/recommendations", {"user_id": "1"}, NOT_SAMPLED)
    plane.recommend("1")
    stop(plane)
    found = spans(*collector.bodies)
    assert {span.trace_id.hex() for span in found} == {TRACE}
    (request,) = (span for span in found if span.kind == Span.SPAN_KIND_SERVER)
    assert (request.name, request.parent_span_id.hex()) == ("POST /v1/recommendations", CALLER)
    assert facts(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/recommendations",
        "http.response.status_code": 200,
        "shoploop.request_id": "asked-1",
    }
    steps = sorted(
        (span for span in found if span is not request), key=lambda span: span.start_time_unix_nano
    )
    assert {span.parent_span_id for span in steps} == {request.span_id}
    assert [span.name for span in steps] == ["state", "state", "score", "log"]
    assert facts(steps[2]) == {"code.function.name": "recommend", "shoploop.source": "blend"}
    moments = [moment for span in steps for moment in (span.start_time_unix_nano, span.end_time_unix_nano)]
    assert moments == sorted(moments)
    assert request.start_time_unix_nano <= moments[0]
    assert moments[-1] <= request.end_time_unix_nano


def test_share__traces_requests_of_every_kind_into_a_file(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPLOOP_TRACES", "traces.jsonl")
    monkeypatch.setenv("SHOPLOOP_TRACES_SHARE", "1")
    plane = start()
    plane.wait()
    plane.post(purchase("traced", user_id="shopper-Zq7x"))
    plane.ask("POST", "/v1/promotions", {"user_id": "shopper-Zq7x"})
    plane.ask("POST", "/v1/rank", {"user_id": "shopper-Zq7x", "Zq7x": 1})
    plane.ask("GET", "/v1/shoppers/shopper-Zq7x")
    plane.ask("Zq7x", "/v1/rank")
    plane.put("item-Zq7x", stock=0)
    plane.ask("POST", "/v1/recommendations", {"user_id": "1"}, NOT_SAMPLED)
    stop(plane)
    text = (plane.folder / "traces.jsonl").read_text()
    assert "Zq7x" not in text
    found = [span for span in spans(*text.splitlines()) if span.trace_id.hex() != TRACE]
    assert len(found) == len(spans(*text.splitlines())), "a caller who does not trace decides"
    names = {span.span_id: span.name for span in found}
    steps = {(names[span.parent_span_id], span.name) for span in found if span.parent_span_id}
    assert ("POST /v1/events", "log") in steps
    assert ("PUT /v1/items/{item_id}", "state") in steps
    assert {step for name, step in steps if name == "POST /v1/promotions"} == {"state", "score"}
    answered = {
        span.name: facts(span)["http.response.status_code"] for span in found if not span.parent_span_id
    }
    assert answered["POST /v1/rank"] == 400
    assert answered["GET unknown"] == 404
    assert answered["_OTHER /v1/rank"] == 405


def test_collector__that_is_away_costs_no_answer_and_is_named(
    start: Starter, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.status = 500
    monkeypatch.setenv("SHOPLOOP_TRACES", collector.url)
    monkeypatch.setenv("SHOPLOOP_TRACES_SHARE", "1")
    plane = start()
    plane.wait()
    plane.recommend("1")
    stop(plane)
    assert f"traces are lost, {collector.url} does not take them" in plane.log


@pytest.mark.parametrize(
    ("target", "told"),
    [("ftp://collector", "traces: expected"), ("missing/traces.jsonl", "missing/traces.jsonl")],
)
def test_start__strange_target_is_named(
    start: Starter, monkeypatch: pytest.MonkeyPatch, target: str, told: str
) -> None:
    monkeypatch.setenv("SHOPLOOP_TRACES", target)
    plane = start()
    assert plane.process.wait(20) == 1
    assert told in plane.log


def test_import__of_the_data_plane_reads_nothing_of_opentelemetry() -> None:
    code = "import sys, serving.__main__; print([name for name in sys.modules if 'opentelemetry' in name])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_lock__of_the_image_has_what_traces_need_and_no_more() -> None:
    lock = Path(CHECKOUT / "requirements/serving.txt").read_text()
    assert "\nopentelemetry-sdk==" in lock
    assert "exporter-otlp" not in lock
