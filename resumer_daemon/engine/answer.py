"""What ends a pause: closed types that the shell makes of requests, and `resume` understands."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias
from uuid import UUID

from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json


@frozen
class Decided:
    """One approval with its verdict, as it goes into `resume_data.approval`.

    `decided_at` is text (RFC 3339, UTC) as it is stored, for the column may hold any time at all.
    """

    id: UUID
    request_id: str
    decision: Literal["approved", "rejected", "expired"]
    approver_id: UUID | None
    reason: str | None
    decided_at: str | None


@frozen
class Decision:
    """The policy's word on an approval pause: the deciding one, and all that were decided."""

    deciding: Decided
    all: tuple[Decided, ...]


@frozen
class Event:
    """The event that a wait waited for."""

    payload: Json


@frozen
class TimedOut:
    """The due time of a wait has come."""


@frozen
class Manual:
    """A person resumes by hand; `force` is needed while an approval is missing.

    Of a pause that is held by hand, `force` also ends what it waits for beneath. `approves` tells
    which way it takes where it ends a wait for an approval; None where it ends anything else.
    """

    trigger: Literal["manual", "retry"]
    actor: str | None
    reason: str | None
    data: Mapping[str, Json] = field(default_factory=dict)
    force: bool = False
    approves: bool | None = None


Answer: TypeAlias = Decision | Event | TimedOut | Manual
