"""Traces go to a real OTLP receiver, one span a call, without patient data."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.services import running, until
from tests.spec.hook_requests import request as hook_request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(ThreadingHTTPServer):
    """Takes spans as an OTLP collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Taking)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"

    def spans(self) -> list[object]:
        parsed = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [span for each in parsed for held in each.resource_spans for s in held.scope_spans for span in s.spans]


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.bodies.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_a_call_leaves_one_span_under_the_trace_of_its_caller(tmp_path: Path, collector: Collector) -> None:
    with running(
        tmp_path, f"sqlite:///{tmp_path / 's.sqlite'}", workers=1, traces_endpoint=collector.address
    ) as service:
        answer = service.session.post(
            f"{service.url}/cds-services/breast-imaging-patient-view",
            json=hook_request("patient-view"),
            headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
            timeout=30,
        )
        assert answer.status_code == 200
        until(lambda: collector.spans(), "the span")
    (span,) = [each for each in collector.spans() if each.trace_id.hex() == TRACE]
    told = {each.key: each.value for each in span.attributes}
    assert span.name == "POST /cds-services/<service_id>"
    assert told["cds.service"].string_value == "breast-imaging-patient-view"
    assert told["http.response.status_code"].int_value == 200
