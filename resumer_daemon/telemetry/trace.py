"""A place in a trace, whoever keeps the trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Trace:
    """A place in a trace under which more can be told.

    `headers` are what a receiver needs to go on with it; `exemplar` names the trace beside a
    metric, None where nobody keeps it. `context` is understood by `telemetry/traces.py` alone.
    """

    context: Any
    headers: Mapping[str, str]
    exemplar: dict[str, str] | None
