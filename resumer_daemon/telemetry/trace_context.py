"""The parent of later spans. This module does not need OpenTelemetry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span under which later spans are recorded.

    `headers` let a receiver continue the trace. `exemplar` is the trace as an exemplar of a metric,
    None if it is not sampled. Only `telemetry/traces.py` reads `context`.
    """

    context: Any
    headers: Mapping[str, str]
    exemplar: dict[str, str] | None
