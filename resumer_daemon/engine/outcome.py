"""What an advance returns: closed types that the shell records or carries out."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from resumer_daemon.engine.state import Branch, NextSteps, Reason, State, WaitCondition
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json


class StepRecord(NamedTuple):
    """One attempt of one step: a row of `step_executions`. The time each took, in seconds.

    A tuple, for every step makes one.

    `path` names its place in the definition. No two records of a run have the same `began`, and a
    container began before its members, although it is recorded after those that ended earlier.
    """

    step_id: str
    step_type: str
    status: Literal["completed", "failed"]
    output: Mapping[str, Json]
    error: str | None = None
    seconds: float = 0.0
    path: str = ""
    began: datetime | None = None


@frozen
class NewApproval:
    """A row of `approval_requests`, written in the transaction that records its step."""

    id: UUID
    request_id: str
    entity_type: str
    entity_id: str
    approver_role: str
    approver_id: UUID | None
    reason: str
    expires_at: datetime | None
    requester_id: UUID | None = None


@frozen
class OutboxMessage:
    """A message that the daemon delivers later, written in the same transaction."""

    key: str
    kind: Literal["notify", "create_record", "update_record"]
    body: Mapping[str, Json]


Write: TypeAlias = NewApproval | OutboxMessage


@frozen
class Effect:
    """Something that leaves the database: the shell runs it and hands its result back by `path`.

    `path` names the place in the definition (step, branch, item, action) and `key` is the stable
    Idempotency-Key; `request` is rendered, secrets are still references. `delay` and `deadline`
    are seconds from when the effect is handed over, so the deadline includes the delay. An effect
    that is handed over again, without a result, is the same `path`, `key`, `request` and `attempt`.
    """

    path: str
    key: str
    kind: Literal["webhook", "context", "record"]
    request: Mapping[str, Json]
    attempt: int
    delivery: Literal["at_least_once", "at_most_once"]
    delay: float = 0.0
    deadline: float | None = None


@frozen
class EffectResult:
    """What became of an effect. `error` None is success; `retry_class` is what `retry_on` names.

    `timeout`, `connection`, a status code such as `503`; `fault` for what no attempt can mend.
    `sent`: it may have reached its receiver, so that at most once means never again.
    """

    error: str | None = None
    retry_class: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    sent: bool = True


@frozen
class Paused:
    """The flow stands and waits. The fields before `branches` are of what has waited longest.

    `asked` are the approvals that its step created. `branches` has all that waits inside of a
    container, the longest first; none where a step of the top level waits.
    `manual`: a person stopped it before that step, which has not begun.
    """

    reason: Reason | Literal["manual"]
    step_id: str | None
    ways: NextSteps
    waiting: WaitCondition
    asked: tuple[UUID, ...] = ()
    branches: tuple[Branch, ...] = ()


@frozen
class Completed:
    """The flow came to its end. `reason` is of the last deciding action, or of its decision."""

    result: Literal["allowed", "blocked", "executed"]
    reason: str | None = None


@frozen
class Failed:
    """A step failed by its own meaning, or the time is up."""

    error: str


@frozen
class Incident:
    """The engine must not decide: a person has to look."""

    cause: str
    detail: str
    remedy: str


@frozen
class Effects:
    """The flow goes on when these have results; several only inside `parallel`.

    None at all: record, and advance again, for much was done or the world said `hold`.
    """

    effects: tuple[Effect, ...]


Outcome: TypeAlias = Paused | Completed | Failed | Incident | Effects


class Advance(NamedTuple):
    """The new state, what to write with it in one transaction, and what comes next.

    `withdrawn` are approvals of steps that have failed. `written`: about how many characters all of
    it is, where it is much.
    """

    state: State
    outcome: Outcome
    records: tuple[StepRecord, ...] = ()
    writes: tuple[Write, ...] = ()
    withdrawn: tuple[UUID, ...] = ()
    written: int = 0
