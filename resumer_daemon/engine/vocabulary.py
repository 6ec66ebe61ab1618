"""The words of requests and pauses, as the database, the command line and HTTP spell them.

Apart from `inputs`, because the command line offers these words as choices and must not import the
engine for them: that takes 0.15 s.
"""

from typing import Literal, TypeAlias

RequestKind: TypeAlias = Literal[
    "approval", "event", "timeout", "manual", "start", "retry", "pause", "cancel", "adopt"
]
"""The kinds of requests."""

RequestOutcome: TypeAlias = Literal[
    "applied", "superseded", "late", "too_late", "duplicate", "orphan", "vanished", "unrecognised",
    "held", "failed",
]  # fmt: skip
"""The outcomes of requests."""

PauseReason: TypeAlias = Literal[
    "approval_required", "waiting_for_event", "waiting_for_time", "manual", "incident"
]
"""The reasons of pauses."""
