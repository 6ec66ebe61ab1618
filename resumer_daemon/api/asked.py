"""The bodies and parameters of HTTP requests. Unknown fields and parameters are errors."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from resumer_daemon.api import cursor
from resumer_daemon.store.commands import Reason

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
        default=None, pattern=cursor.PAUSED_CURSOR, description="`next` of the page before."
    )
    reason: Reason | None = Field(default=None, description="Only these.")


class LedgerQuery(Page):
    """A selection of the ledger."""

    cursor: str | None = Field(
        default=None, pattern=cursor.ENTRY_CURSOR, description="`next` of the page before."
    )
    execution: UUID | None = Field(default=None, description="Only of this one.")


PAUSE_SEEN = Field(
    default=None,
    description="`pause_number` of the status, of the pause that the caller has looked at: refused"
    " where another one is open by now.",
)


class Asked(BaseModel):
    """The field that every move takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Why | None = Field(default=None, description="Why; it goes into the record.")


class Pause(Asked):
    """Stop before the next step, or hold what is paused: decisions are kept."""


Whole = Annotated[Name, Field(description="The workflow_id; `*`: all that the caller reaches.")]


class Hold(Asked):
    """Stop a workflow, or everything, for a time or until the release."""

    workflow: Whole
    seconds: Count | None = Field(default=None, description="Release it by itself after so long.")


class Release(BaseModel):
    """End a hold, under the name that it was made with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workflow: Whole
    per_second: Count = Field(
        default=50, description="At most so many executions go on in a second."
    )


class Cancel(Asked):
    """End what has not ended; it has no result."""


class Resume(Asked):
    """Resume by hand; over a missing approval it needs force, a reason and the pause's number."""

    data: dict[str, Any] = Field(
        default={},
        validation_alias=AliasChoices("data", "resume_data"),
        description="What the resume brings into the context; `resume_data` is another name of it.",
    )
    force: bool = Field(default=False, description="Though an approval is missing.")
    pause_number: PauseNumber | None = PAUSE_SEEN


class Retry(Asked):
    """Continue after an incident, from where it stood unless the request says otherwise."""

    from_step: Name | None = Field(default=None, description="From this step; needs a reason.")
    skip_effect: Name | None = Field(
        None, description="Take the effect of this Idempotency-Key as done; needs a reason."
    )
    pause_number: PauseNumber | None = PAUSE_SEEN
