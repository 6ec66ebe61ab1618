"""Request and response models of the OpenAPI document. Unknown fields are errors.

The database writes most responses as JSON. They are passed on unchanged, so numbers stay exact.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from resumer_daemon.engine.vocabulary import PauseReason

PAUSED_CURSOR = r"^[0-9]{1,16}-[0-9a-f]{32}$"
ENTRY_CURSOR = r"^[0-9]{1,18}$"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def paused_cursor(at: datetime, execution: UUID) -> str:
    """Return the cursor after an execution that was paused at this time."""
    return f"{(at - EPOCH) // MICROSECOND}-{execution.hex}"


def read_paused_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return the time and the execution of a `paused_cursor`."""
    at, _, execution = cursor.partition("-")
    return EPOCH + int(at) * MICROSECOND, UUID(execution)


Document = dict[str, JsonValue]
Move = Literal["pause", "resume", "cancel", "retry"]


class RequestAccepted(BaseModel):
    """The request that was written. A daemon settles it, and the status shows when."""

    request: int = Field(description="The id of the request, as in the ledger.")
    move: Move
    execution: UUID = Field(description="The id of the execution.")
    execution_id: str
    status: str = Field(description="The path of the execution's status.")


class HoldCreated(BaseModel):
    """The hold that was created."""

    workflow: str
    hold: int = Field(description="The number of the hold.")


class HoldReleased(BaseModel):
    """The hold that was ended."""

    workflow: str
    going: int = Field(
        description="Executions that resume at once. The daemon resumes any others later."
    )


class Status(BaseModel):
    """The status of one execution."""

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
    pause_number: int | None = Field(
        description="Number of the open pause. A forced resume needs it."
    )
    paused_step_id: str | None
    next_step_id: str | None = Field(
        description="Next step after an approval, the event or the time."
    )
    on_reject: str | None = Field(
        description="Next step after a rejection. null: the execution ends as blocked."
    )
    on_timeout: str | None = Field(description="Next step after an expiry or a timeout.")
    waiting_for: Document | None = Field(description="Approvals, an event, a time, or an operator.")
    resume_count: int
    last_resumed_at: datetime | None
    open_requests: list[Document] = Field(description="Requests that are not settled.")
    lease: Document | None = Field(description="The daemon that runs the execution now.")


class ExplainedReason(BaseModel):
    """One reason, and the commands that change it."""

    code: str = Field(description="A stable code of the reason.")
    sentence: str
    since: datetime | None
    until: datetime | None
    sql: str | None = Field(description="SQL that changes it.")
    command: str | None = Field(description="A shell command that changes it.")


class Explanation(BaseModel):
    """The reasons for the state of an execution; the first reason is the nearest."""

    id: UUID
    execution_id: str
    workflow: str | None
    organization_id: UUID | None
    status: str | None
    pause_number: int | None = Field(description="Number of the open pause; null if none is open.")
    summary: str | None
    reasons: list[ExplainedReason] | None


class Option(BaseModel):
    """One command that is possible now."""

    move: Literal["pause", "resume", "cancel", "retry", "decide"]
    says: str = Field(description="The effect of the command.")
    post: str | None = Field(description="The path to POST to; null if HTTP has no such command.")
    body: Document = Field(description="The smallest body.")
    needs: str | None = Field(description="The permission that the command needs.")
    permitted: bool = Field(description="Whether the caller has the permission.")
    leads_to: str | None = Field(
        description="The next step; null if the execution ends or stays paused."
    )


class Options(BaseModel):
    """The commands that are possible now."""

    execution: UUID = Field(description="The id of the execution.")
    execution_id: str
    status: str | None
    paused_for: str | None
    pause_number: int | None = Field(description="Number of the open pause; null if none is open.")
    options: list[Option]


class LedgerEntry(BaseModel):
    """One settled request and its outcome."""

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
    """A page of paused executions, longest pause first."""

    items: list[Status]
    next: str | None = Field(description="The cursor of the next page; null on the last page.")


class LedgerPage(BaseModel):
    """A page of the ledger, newest first."""

    items: list[LedgerEntry]
    next: str | None = Field(description="The cursor of the next page; null on the last page.")


LARGEST = 10**9


def _as_integer(value: object) -> object:
    """Return `60.0` as an integer, as JSON Schema does. Return anything else unchanged."""
    if isinstance(value, Decimal) and abs(value) < LARGEST and value == int(value):
        return int(value)
    return value


Count = Annotated[int, Field(ge=1, lt=LARGEST), BeforeValidator(_as_integer)]
PauseNumber = Annotated[int, Field(ge=0, lt=2**31), BeforeValidator(_as_integer)]
Why = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


class Page(BaseModel):
    """The length of a page."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=200, description="Items per page, at most.")


class PausedQuery(Page):
    """A filter of paused executions."""

    cursor: str | None = Field(
        default=None, pattern=PAUSED_CURSOR, description="`next` of the previous page."
    )
    reason: PauseReason | None = Field(
        default=None, description="Only executions paused for this reason."
    )


class LedgerQuery(Page):
    """A filter of the ledger."""

    cursor: str | None = Field(
        default=None, pattern=ENTRY_CURSOR, description="`next` of the previous page."
    )
    execution: Name | None = Field(
        default=None, description="Requests of this execution: its id or execution_id."
    )


PAUSE_SEEN = Field(
    default=None,
    description="`pause_number` of the status that the caller has seen. The request is refused if"
    " another pause is open by now.",
)


class RequestBody(BaseModel):
    """The field that every command has."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why | None = Field(default=None, description="The reason in the record.")


class PauseBody(RequestBody):
    """Pause an execution before its next step."""


Whole = Annotated[
    Name, Field(description="The workflow_id. `*`: every workflow in the caller's scope.")
]


class HoldBody(RequestBody):
    """Stop a workflow, or every workflow, until it is released."""

    workflow: Whole
    seconds: Count | None = Field(
        default=None, description="Release the hold after this many seconds."
    )


class ReleaseBody(BaseModel):
    """End a hold. `workflow` is the name that it was created with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workflow: Whole
    per_second: Count = Field(default=50, description="Executions resumed per second, at most.")


class CancelBody(RequestBody):
    """End an execution without a result."""


class ResumeBody(RequestBody):
    """Resume a paused execution. To skip an approval, `force` needs the other two fields."""

    data: dict[str, Any] = Field(
        default={},
        validation_alias=AliasChoices("data", "resume_data"),
        description="Resume data for the context. `resume_data` is another name of this field.",
    )
    force: bool = Field(default=False, description="Resume although an approval is missing.")
    pause_number: PauseNumber | None = PAUSE_SEEN


class RetryBody(RequestBody):
    """Continue after an incident, from the same step unless `from_step` names another."""

    from_step: Name | None = Field(
        default=None, description="Continue from this step. Needs a reason."
    )
    skip_effect: Name | None = Field(
        None, description="Treat the effect with this Idempotency-Key as done. Needs a reason."
    )
    pause_number: PauseNumber | None = PAUSE_SEEN
