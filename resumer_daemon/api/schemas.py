"""Request and response models, as the OpenAPI document describes them. Unknown fields are errors.

The database writes most of a response, and it is passed on as it is, so numbers stay exact.
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
    """Return the cursor behind an execution that is paused since then."""
    return f"{(at - EPOCH) // MICROSECOND}-{execution.hex}"


def read_paused_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return what `paused_cursor` wrote."""
    at, _, execution = cursor.partition("-")
    return EPOCH + int(at) * MICROSECOND, UUID(execution)


Document = dict[str, JsonValue]
Move = Literal["pause", "resume", "cancel", "retry"]


class RequestAccepted(BaseModel):
    """The request that was left. A daemon settles it; the status tells when it has."""

    request: int = Field(description="Its id, as the ledger has it.")
    move: Move
    execution: UUID
    status: str = Field(description="Where to look for what became of it.")


class HoldCreated(BaseModel):
    """The hold that is in force now."""

    workflow: str
    hold: int = Field(description="Its number.")


class HoldReleased(BaseModel):
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


class ExplainedReason(BaseModel):
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
    reasons: list[ExplainedReason] | None


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


class LedgerEntry(BaseModel):
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

    items: list[LedgerEntry]
    next: str | None = Field(description="The cursor of the next page; none at the end.")


LARGEST = 10**9


def _as_integer(value: object) -> object:
    """Return what JSON holds to be an integer though it is written as `60.0`; all else as it is."""
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

    limit: int = Field(default=50, ge=1, le=200, description="Items of the page, at most.")


class PausedQuery(Page):
    """A selection of the paused executions."""

    cursor: str | None = Field(
        default=None, pattern=PAUSED_CURSOR, description="`next` of the page before."
    )
    reason: PauseReason | None = Field(default=None, description="Only these.")


class LedgerQuery(Page):
    """A selection of the ledger."""

    cursor: str | None = Field(
        default=None, pattern=ENTRY_CURSOR, description="`next` of the page before."
    )
    execution: Name | None = Field(
        default=None, description="Requests of this execution: its id or execution_id."
    )


PAUSE_SEEN = Field(
    default=None,
    description="`pause_number` of the status, of the pause that the caller has looked at: refused"
    " where another one is open by now.",
)


class RequestBody(BaseModel):
    """The field that every move takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why | None = Field(default=None, description="Why; it goes into the record.")


class PauseBody(RequestBody):
    """Stop before the next step, or hold what is paused: decisions are kept."""


Whole = Annotated[Name, Field(description="The workflow_id; `*`: all that the caller reaches.")]


class HoldBody(RequestBody):
    """Stop a workflow, or everything, for a time or until the release."""

    workflow: Whole
    seconds: Count | None = Field(default=None, description="Release it by itself after so long.")


class ReleaseBody(BaseModel):
    """End a hold, under the name that it was made with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workflow: Whole
    per_second: Count = Field(
        default=50, description="At most so many executions go on in a second."
    )


class CancelBody(RequestBody):
    """End what has not ended; it has no result."""


class ResumeBody(RequestBody):
    """Resume by hand; over a missing approval it needs force, a reason and the pause's number."""

    data: dict[str, Any] = Field(
        default={},
        validation_alias=AliasChoices("data", "resume_data"),
        description="What the resume brings into the context; `resume_data` is another name of it.",
    )
    force: bool = Field(default=False, description="Though an approval is missing.")
    pause_number: PauseNumber | None = PAUSE_SEEN


class RetryBody(RequestBody):
    """Continue after an incident, from where it stood unless the request says otherwise."""

    from_step: Name | None = Field(default=None, description="From this step; needs a reason.")
    skip_effect: Name | None = Field(
        None, description="Take the effect of this Idempotency-Key as done; needs a reason."
    )
    pause_number: PauseNumber | None = PAUSE_SEEN
