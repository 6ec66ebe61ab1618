"""The bodies of HTTP responses, as the OpenAPI document describes them.

Most of it is written by the database and handed on as it is, so numbers stay exact.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Document = dict[str, JsonValue]
Move = Literal["pause", "resume", "cancel", "retry"]


class Left(BaseModel):
    """The request that was left. A daemon settles it; the status tells when it has."""

    request: int = Field(description="Its id, as the ledger has it.")
    move: Move
    execution: UUID
    status: str = Field(description="Where to look for what became of it.")


class InForce(BaseModel):
    """The hold that is in force now."""

    workflow: str
    hold: int = Field(description="Its number.")


class Released(BaseModel):
    """The executions that were on hold continue."""

    workflow: str
    going: int = Field(
        description="How many executions go on: all of them, or those that a second was enough"
        " for. The daemon lets the others go."
    )


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
    pause_number: int | None = Field(description="Number of the open pause; name it to resume.")
    paused_step_id: str | None
    next_step_id: str | None = Field(description="Where an approval, the event or the time leads.")
    on_reject: str | None = Field(description="Where a rejection leads; null: it ends as blocked.")
    on_timeout: str | None = Field(description="Where an expiry or a timeout leads.")
    waiting_for: Document | None = Field(description="Approvals, an event, a time, or a person.")
    resume_count: int
    last_resumed_at: datetime | None
    open_requests: list[Document] = Field(description="What is asked of it and not settled.")
    lease: Document | None = Field(description="Which daemon advances it now.")


class PauseReason(BaseModel):
    """One reason, and what would change it."""

    code: str = Field(description="Always the same for the same reason, for programs.")
    sentence: str
    since: datetime | None
    until: datetime | None
    sql: str | None = Field(description="What would move it, to be run in psql.")
    command: str | None = Field(description="The same for a shell.")


class Explanation(BaseModel):
    """The reasons for the state of an execution; the first reason is the nearest."""

    id: UUID
    execution_id: str
    workflow: str | None
    organization_id: UUID | None
    status: str | None
    pause_number: int | None = Field(description="Number of the open pause; null: none.")
    summary: str | None
    reasons: list[PauseReason] | None


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
    pause_number: int | None = Field(description="Number of the open pause; null: none.")
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
