"""Spans for an OpenTelemetry collector. Needs the extra `otel`.

Spans are made after the commit, from times that are measured anyway.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from resumer_daemon.telemetry.trace_context import TraceContext

Attributes = Mapping[str, str | int | None]

EXPORT_TIMEOUT = 2.0
"""Seconds for one batch of spans, with all attempts to send it."""

_W3C = TraceContextTextMapPropagator()
_PATH = "/v1/traces"


class Traces:
    """Creates spans and sends them to a collector, in a thread of its own."""

    def __init__(self, endpoint: str, version: str, instance: str) -> None:
        """Send to `endpoint` as OTLP over HTTP. Without a path, `/v1/traces` is added."""
        parts = urlsplit(endpoint)
        url = endpoint if parts.path.strip("/") else urlunsplit(parts._replace(path=_PATH))
        self._provider = TracerProvider(
            resource=Resource.create(
                {
                    "service.name": "resumer-daemon",
                    "service.version": version,
                    "service.instance.id": instance,
                }
            ),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(url, timeout=EXPORT_TIMEOUT)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("resumer_daemon")

    def record_span(
        self, name: str, began: float, ended: float, parent: TraceContext, attributes: Attributes
    ) -> TraceContext:
        """Record a span that has ended. Times are seconds since 1970."""
        span = self._tracer.start_span(
            name, parent.context, SpanKind.INTERNAL, _named(attributes), start_time=int(began * 1e9)
        )
        span.end(int(ended * 1e9))
        return _context(trace.set_span_in_context(span, parent.context))

    def begin_span(
        self, name: str, parent: TraceContext, attributes: Attributes
    ) -> tuple[Span, TraceContext]:
        """Begin a span of a request to another host. The caller ends it with `end_span`."""
        span = self._tracer.start_span(name, parent.context, SpanKind.CLIENT, _named(attributes))
        return span, _context(trace.set_span_in_context(span, parent.context))

    def close(self) -> None:
        """Send the remaining spans, for `EXPORT_TIMEOUT` seconds at most."""
        self._provider.shutdown()


def follow(traceparent: str | None) -> TraceContext:
    """Continue the trace that `traceparent` names, or begin one."""
    carrier = {} if traceparent is None else {"traceparent": traceparent}
    return _context(_W3C.extract(carrier, Context()))


def end_span(span: Span, error: str | None) -> None:
    """End a span of `begin_span`."""
    if error is not None:
        span.set_status(StatusCode.ERROR, error)
    span.end()


def _context(context: Context) -> TraceContext:
    headers: dict[str, str] = {}
    _W3C.inject(headers, context)
    span = trace.get_current_span(context).get_span_context()
    exemplar = {"trace_id": f"{span.trace_id:032x}"} if span.trace_flags.sampled else None
    return TraceContext(context, headers, exemplar)


def _named(attributes: Attributes) -> dict[str, str | int]:
    return {f"resumer.{name}": value for name, value in attributes.items() if value is not None}
