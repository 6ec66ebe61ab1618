"""The result of an advance: closed types that the daemon records or carries out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from msgspec import field

from resumer_daemon.engine.state import Branch, NextSteps, State, WaitCondition
from resumer_daemon.engine.vocabulary import WaitReason
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.values import Json


class StepRecord(NamedTuple):
    """One attempt of one step, as a row of `step_executions`. A tuple, because each step makes one.

    `seconds` is how long it took. `path` is its place in the definition. `began` differs between
    any two records of a run. A container begins before its members, although it is recorded after
    the members that ended earlier.
    """

    step_id: str
    step_type: str
    status: Literal["completed", "failed"]
    output: Mapping[str, Json]
    error: str | None = None
    seconds: float = 0.0
    path: str = ""
    began: datetime | None = None


class NewApproval(Frozen):
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


class OutboxMessage(Frozen):
    """A message that the daemon delivers later, written in the same transaction."""

    key: str
    kind: Literal["notify", "create_record", "update_record"]
    body: Mapping[str, Json]


Write: TypeAlias = NewApproval | OutboxMessage


class Effect(Frozen):
    """A request to another system. The daemon sends it and returns its result by `path`.

    `path` is the place in the definition (step, branch, item, action). `key` is the stable
    Idempotency-Key. `request` is rendered, except for references to secrets. `delay` and
    `deadline` are seconds from when the engine returns the effect, so the deadline includes the
    delay. Without a result, the engine returns the effect again with the same `path`, `key`,
    `request` and `attempt`.
    """

    path: str
    key: str
    kind: Literal["webhook", "context", "record"]
    request: Mapping[str, Json]
    attempt: int
    delivery: Literal["at_least_once", "at_most_once"]
    delay: float = 0.0
    deadline: float | None = None


class EffectResult(Frozen):
    """The result of an effect. It succeeded if `error` is None.

    `retry_class` is the word that `retry_on` compares: `timeout`, `connection`, a status code such
    as `503`, or `fault` if another attempt cannot succeed. `sent`: the request may have reached its
    receiver, so an effect with `at_most_once` is never sent again.
    """

    error: str | None = None
    retry_class: str | None = None
    data: Mapping[str, Json] = field(default_factory=dict)
    sent: bool = True


class Paused(Frozen):
    """The flow waits. The fields before `branches` describe the branch that has waited longest.

    `approval_ids` are the approvals that its step created. `branches` are all branches that wait
    inside a container, the longest first. It is empty if a top-level step waits. With the reason
    `manual`, a person stopped the flow before `step_id`, and that step has not begun.
    """

    reason: WaitReason | Literal["manual"]
    step_id: str | None
    next_steps: NextSteps
    wait: WaitCondition
    approval_ids: tuple[UUID, ...] = ()
    branches: tuple[Branch, ...] = ()


class Completed(Frozen):
    """The flow ended. `reason` comes from the last deciding action, or from its decision."""

    result: Literal["allowed", "blocked", "executed"]
    reason: str | None = None


class Failed(Frozen):
    """A step failed, or the execution reached its timeout."""

    error: str


class Incident(Frozen):
    """A problem that only a person can resolve."""

    cause: str
    detail: str
    remedy: str

    def to_json(self) -> dict[str, Json]:
        """Return the stored form, for pause records and the audit log."""
        return {"cause": self.cause, "detail": self.detail, "remedy": self.remedy}


class Effects(Frozen):
    """The flow continues when these effects have results. There are several only in a `parallel`.

    Without effects, the daemon records the advance and advances again. The engine returns this
    after much work, or if a person requested a pause.
    """

    effects: tuple[Effect, ...]


Outcome: TypeAlias = Paused | Completed | Failed | Incident | Effects


class Advance(NamedTuple):
    """The new state, the rows to write with it in one transaction, and the outcome.

    `withdrawn` are approvals of steps that failed. `characters` is the approximate size of the
    records and messages, counted only for long flows.
    """

    state: State
    outcome: Outcome
    records: tuple[StepRecord, ...] = ()
    writes: tuple[Write, ...] = ()
    withdrawn: tuple[UUID, ...] = ()
    characters: int = 0
