"""The words of requests and pauses, as the database, the command line and HTTP spell them.

A module apart from `inputs`, so that the command line can offer these words without importing the
engine (0.15 s).
"""

from typing import Final, Literal, TypeAlias

RequestKind: TypeAlias = Literal[
    "approval", "event", "timeout", "manual", "start", "retry", "pause", "cancel", "adopt"
]
"""The kinds of requests."""

RequestOutcome: TypeAlias = Literal[
    "applied", "superseded", "late", "too_late", "duplicate", "orphan", "vanished", "unrecognised",
    "held", "failed",
]  # fmt: skip
"""The outcomes of requests."""

WaitReason: TypeAlias = Literal["approval_required", "waiting_for_event", "waiting_for_time"]
"""The reasons of pauses that end by themselves."""

PauseReason: TypeAlias = Literal[WaitReason, "manual", "incident"]
"""The reasons of pauses."""

ExecutionStatus: TypeAlias = Literal[
    "pending", "running", "waiting", "paused", "completed", "failed", "cancelled"
]
"""The statuses of executions. The service uses `waiting`, the daemon does not."""

OPEN_STATUSES: Final = frozenset({"pending", "running", "waiting", "paused"})
"""The statuses of executions that may still change."""

ENDED_STATUSES: Final = frozenset({"completed", "failed", "cancelled"})
"""The statuses of executions that have ended."""
