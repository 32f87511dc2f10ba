"""Traces for OpenTelemetry, one span a call, where the setting says where to send them. None of it is patient data: the
route and never the path, the client as registered here, the rows that decided.

The only module that knows the OpenTelemetry libraries, which are the extra `traces`.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

from ..settings import VARIABLES, SettingsError
from . import observed


def register(app: Flask, endpoint: str) -> None:
    """Sends a span for every CDS Hooks call to an OTLP collector (http/protobuf), in the background. A `traceparent` of
    the caller is taken up. Does nothing without an endpoint; raises `SettingsError` where the extra is missing."""
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        raise SettingsError([f"{VARIABLES['traces_endpoint']}: needs the extra `traces` to be installed"]) from None

    provider = TracerProvider(resource=Resource.create({"service.name": "breast-imaging-cds"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    tracer, propagator = provider.get_tracer("cds_service"), TraceContextTextMapPropagator()

    @app.before_request
    def begin() -> None:
        if request.url_rule is not None and request.url_rule.rule.startswith("/cds-services"):
            parent = propagator.extract({"traceparent": request.headers.get("traceparent", "")})
            name = f"{request.method} {request.url_rule.rule}"
            g.span = tracer.start_span(name, context=parent, kind=SpanKind.SERVER)

    @app.after_request
    def end(response: Response) -> Response:
        span = g.pop("span", None)
        if span is not None:
            call = observed.call()
            rows = call.fields.get("rows", ())
            span.set_attributes(
                {
                    "http.response.status_code": response.status_code,
                    "cds.service": call.service,
                    "cds.client": call.client,
                    "cds.request_id": call.request_id,
                    "cds.rows": [str(row) for row in rows] if isinstance(rows, list) else [],
                }
            )
            span.end()
        return response
