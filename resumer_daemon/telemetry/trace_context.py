"""A place in a trace, under which later spans are put. Known also where OpenTelemetry is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The parent of later spans.

    `headers`: what a receiver needs to continue the trace. `exemplar`: the trace as an exemplar of
    a metric, None where nobody keeps it. `context`: read by `telemetry/traces.py` alone.
    """

    context: Any
    headers: Mapping[str, str]
    exemplar: dict[str, str] | None
