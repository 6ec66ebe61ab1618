"""One execution of the service, and what it has committed of it."""

from dataclasses import dataclass, field
from uuid import UUID

VERDICTS = ("approved", "approved", "approved", "rejected", "expired")


@dataclass(slots=True)
class Case:
    """The committed writes of a case. `silent`: approvals with a decision that no trigger saw."""

    execution: UUID
    workflow: UUID
    approvals: list[UUID] = field(default_factory=list)
    decisions: list[tuple[UUID, str]] = field(default_factory=list)
    silent: set[UUID] = field(default_factory=set)
    cancelled: bool = False
    deleted: bool = False
    rewritten: bool = False
