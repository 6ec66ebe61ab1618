"""What a pause waits for: one branch or several, each at its own place with its own ways on."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json

Reason: TypeAlias = Literal["approval_required", "waiting_for_event", "waiting_for_time"]

PAUSE = ""
"""The path of the only branch of a pause at a step of the top level."""


@frozen
class Ways:
    """Where each answer to a pause leads: a top-level step's id, or None where the flow ends."""

    approved: str | None = None
    refused: str | None = None
    expired: str | None = None
    timeout: str | None = None
    event: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored; a way that ends the flow is left out."""
        named = {
            "approved": self.approved,
            "refused": self.refused,
            "expired": self.expired,
            "timeout": self.timeout,
            "event": self.event,
        }
        return {name: step for name, step in named.items() if step is not None}


@frozen
class Waiting:
    """What a branch waits for. `approvals` and `roles` count decisions; `due_at` is a time.

    `approvals` None means: as many as the step asked for. `firm`: they were counted at a pause of
    another program, and when some are deleted, so many less are needed, but never fewer than this.
    `asked_of` keeps the role that each approval was created for, by its id, where roles count: the
    service may hand a request to another role later.
    """

    approvals: int | None = None
    roles: tuple[str, ...] = ()
    event: str | None = None
    match: Mapping[str, Json] = field(default_factory=dict)
    due_at: datetime | None = None
    firm: int | None = None
    asked_of: Mapping[str, str | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored, without what is not waited for."""
        named = {
            "approvals": self.approvals,
            "roles": list(self.roles),
            "event": self.event,
            "match": self.match,
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "firm": self.firm,
            "asked_of": self.asked_of,
        }
        return {name: each for name, each in named.items() if each}

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "Waiting":
        """Read what `to_json` wrote.

        Raises:
            TypeError, ValueError, AttributeError: It was written by something else.
        """
        due_at = stored.get("due_at")
        return cls(
            approvals=stored.get("approvals"),
            roles=tuple(stored.get("roles", ())),
            event=stored.get("event"),
            match=stored.get("match", {}),
            due_at=None if due_at is None else datetime.fromisoformat(due_at),
            firm=stored.get("firm"),
            asked_of=stored.get("asked_of", {}),
        )


@frozen
class Branch:
    """One place that waits. `path` is `PAUSE` at the top level, else the place inside a container.

    `asked` are the approvals that its step created; `since` is when it began to wait.
    """

    path: str
    step_id: str | None
    reason: Reason
    ways: Ways
    waiting: Waiting
    asked: tuple[UUID, ...] = ()
    since: datetime | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored in the state."""
        return {
            "path": self.path,
            "step": self.step_id,
            "reason": self.reason,
            "ways": self.ways.to_json(),
            "waiting": self.waiting.to_json(),
            "asked": [str(each) for each in self.asked],
            "since": None if self.since is None else self.since.isoformat(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Json]) -> "Branch":
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: It was written by something else.
        """
        since = stored["since"]
        return cls(
            path=stored["path"],
            step_id=stored["step"],
            reason=stored["reason"],
            ways=Ways(**stored["ways"]),
            waiting=Waiting.from_json(stored["waiting"]),
            asked=tuple(UUID(each) for each in stored["asked"]),
            since=None if since is None else datetime.fromisoformat(since),
        )
