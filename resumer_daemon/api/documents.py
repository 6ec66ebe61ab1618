"""The documents of the HTTP interface: what is asked for, strictly read, and what is answered.

Answers are written by the database and handed on as they are, so numbers stay exact; their models
here are what the OpenAPI document says of them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Why = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Document = dict[str, JsonValue]
Move = Literal["pause", "resume", "cancel", "retry"]


class Asked(BaseModel):
    """What comes in: fields that nobody knows are faults."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why | None = Field(default=None, description="Why; it goes into the record.")


class Pause(Asked):
    """Stop before the next step, or hold what is paused: decisions are kept."""


class Cancel(Asked):
    """End what has not ended; it has no result."""


class Resume(Asked):
    """Resume by hand; while an approval is missing it needs force and a reason."""

    data: dict[str, Any] = Field(default={}, description="What the resume brings into the context.")
    force: bool = Field(default=False, description="Though an approval is missing.")


class Retry(Asked):
    """Continue after an incident, from where it stood unless the request says otherwise."""

    from_step: Name | None = Field(default=None, description="From this step; needs a reason.")
    skip_effect: Name | None = Field(
        None, description="Take the effect of this Idempotency-Key as done; needs a reason."
    )


class Left(BaseModel):
    """The request that was left. A daemon settles it; the status tells when it has."""

    request: int = Field(description="Its id, as the ledger has it.")
    move: Move
    execution: UUID
    status: str = Field(description="Where to look for what became of it.")


class Status(BaseModel):
    """One execution as it stands."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    execution_id: str
    workflow: str | None
    organization_id: UUID | None
    status: str | None
    result: str | None
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    paused_at: datetime | None
    paused_reason: str | None
    paused_step_id: str | None
    next_step_id: str | None = Field(description="Where an approval, the event or the time leads.")
    waiting_for: Document | None = Field(description="Approvals, an event, a time, or a person.")
    resume_count: int
    last_resumed_at: datetime | None
    open_requests: list[Document] = Field(description="What is asked of it and not settled.")
    lease: Document | None = Field(description="Which daemon advances it now.")


class Explanation(BaseModel):
    """Why an execution does not move, and what would move it."""

    model_config = ConfigDict(extra="allow")


class Option(BaseModel):
    """One move that is possible now."""

    move: Literal["pause", "resume", "cancel", "retry", "decide"]
    says: str = Field(description="What it does.")
    post: str | None = Field(description="Where to ask for it; none where HTTP is not the way.")
    body: Document = Field(description="What to ask with, at least.")
    needs: str | None = Field(description="The permission.")
    permitted: bool = Field(description="Whether this caller has it.")
    leads_to: str | None = Field(description="The next step; none: the flow ends, or stays.")


class Options(BaseModel):
    """The moves that are possible now."""

    execution: UUID
    status: str | None
    paused_for: str | None
    options: list[Option]


class Entry(BaseModel):
    """One settled request, and what became of it."""

    model_config = ConfigDict(extra="allow")

    request: int
    execution_id: UUID | None
    kind: str
    decision: str | None
    actor: str | None
    reason: str | None
    requested_at: datetime
    outcome: str
    finished_at: datetime | None


class PausedPage(BaseModel):
    """A page of paused executions, those first that are paused for longest."""

    items: list[Status]
    next: str | None = Field(description="The cursor of the next page; none at the end.")


class LedgerPage(BaseModel):
    """A page of the ledger, newest first."""

    items: list[Entry]
    next: str | None = Field(description="The cursor of the next page; none at the end.")
