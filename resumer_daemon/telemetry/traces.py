"""Traces: spans for an OpenTelemetry collector. Needs the extra `otel`.

Spans are made of times that were measured anyway, after what they tell of was committed.
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

PATIENCE = 2.0  # for one batch, with all attempts to send it

_W3C = TraceContextTextMapPropagator()
_PATH = "/v1/traces"


class Traces:
    """Makes spans and sends them to a collector, in a thread of its own."""

    def __init__(self, endpoint: str, version: str, instance: str) -> None:
        """Send to `endpoint`, by default to its path `/v1/traces`, as OTLP over HTTP."""
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
        exporter = OTLPSpanExporter(url, timeout=PATIENCE)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("resumer_daemon")

    def told(
        self, name: str, began: float, ended: float, at: TraceContext, about: Attributes
    ) -> TraceContext:
        """Tell of something that is over; times are seconds since 1970."""
        span = self._tracer.start_span(
            name, at.context, SpanKind.INTERNAL, _given(about), start_time=int(began * 1e9)
        )
        span.end(int(ended * 1e9))
        return _at(trace.set_span_in_context(span, at.context))

    def sending(self, name: str, at: TraceContext, about: Attributes) -> tuple[Span, TraceContext]:
        """Begin to tell of something that is sent; the caller ends it with `sent`."""
        span = self._tracer.start_span(name, at.context, SpanKind.CLIENT, _given(about))
        return span, _at(trace.set_span_in_context(span, at.context))

    def close(self) -> None:
        """Send what is left, for `PATIENCE` seconds at most."""
        self._provider.shutdown()


def follow(traceparent: str | None) -> TraceContext:
    """Go on with a trace that somebody began, where `traceparent` names one; else begin one."""
    carrier = {} if traceparent is None else {"traceparent": traceparent}
    return _at(_W3C.extract(carrier, Context()))


def sent(span: Span, error: str | None) -> None:
    """End what `sending` began."""
    if error is not None:
        span.set_status(StatusCode.ERROR, error)
    span.end()


def _at(context: Context) -> TraceContext:
    headers: dict[str, str] = {}
    _W3C.inject(headers, context)
    place = trace.get_current_span(context).get_span_context()
    exemplar = {"trace_id": f"{place.trace_id:032x}"} if place.trace_flags.sampled else None
    return TraceContext(context, headers, exemplar)


def _given(about: Attributes) -> dict[str, str | int]:
    return {f"resumer.{name}": value for name, value in about.items() if value is not None}
