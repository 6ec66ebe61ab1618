"""One execution of the service, and what it has committed of it."""

from dataclasses import dataclass, field
from uuid import UUID

VERDICTS = ("approved", "approved", "approved", "rejected", "expired")


@dataclass(slots=True)
class Case:
    """What was committed, for the checker. `silent`: no trigger fired for some decision of it."""

    execution: UUID
    workflow: UUID
    approvals: list[UUID] = field(default_factory=list)
    decisions: list[tuple[UUID, str]] = field(default_factory=list)
    silent: set[UUID] = field(default_factory=set)
    cancelled: bool = False
    deleted: bool = False
    rewritten: bool = False
