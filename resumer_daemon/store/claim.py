"""Claim executions and read them: lock first, then read, in separate statements.

A SKIP LOCKED join reads rows that it does not lock as of its snapshot, which may be older than the
lock. Therefore later statements of the same transaction read everything that a decision needs. The
server passes the locked ids from one statement to the next (`resumer.claimed`), so that all take
one round trip.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from msgspec.structs import replace
from psycopg import AsyncCursor
from psycopg.rows import DictRow, args_row

from resumer_daemon.engine.inputs import (
    Approval,
    ClaimedExecution,
    ManualPause,
    Pause,
    ResumeRequest,
)
from resumer_daemon.engine.planner import UnreadableCause
from resumer_daemon.engine.state import DamagedState, NewerState, NextSteps, State, WaitCondition
from resumer_daemon.engine.vocabulary import PauseReason, RequestKind
from resumer_daemon.errors import ResumerError
from resumer_daemon.frozen import Frozen
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json, load


class ExecutionRow(NamedTuple):
    """A row of `claim.read_executions`; documents are text."""

    id: UUID
    key: str
    workflow_id: UUID | None
    workflow_key: str | None
    status: str
    context: str | None
    resume_data: str | None
    trigger_payload: str | None
    too_large: str | None
    organization_id: UUID | None
    paused_step_id: str | None
    next_step_id: str | None
    paused_reason: str | None
    pause_number: int | None
    pause_reason: PauseReason
    pause_step: str | None
    next_steps: str
    waiting: str
    state: str | None
    definition: str | None
    reason_before: PauseReason | None
    held_before: PauseReason | None
    hold: str | None
    lost: bool
    approval_ids: list[UUID]
    prior_approval_ids: list[UUID]
    blocked_by_service: bool
    last_pause: int | None
    used: list[UUID] | None
    paused_at: datetime | None
    time_left: float | None
    now: float


class RequestRow(NamedTuple):
    """A row of `claim.read_requests`."""

    id: int
    execution_id: UUID
    kind: RequestKind
    source_id: UUID | None
    decision: str | None
    pause_number: int | None
    payload: str | None
    actor: str | None
    reason: str | None
    due: bool
    due_at: str
    wanted_at: datetime
    seen_at: datetime
    consumed: str | None


class ApprovalRow(NamedTuple):
    """A row of `claim.read_approvals`."""

    id: UUID
    execution_id: UUID
    request_id: str
    status: str
    approver_id: UUID | None
    approver_role: str | None
    decision_reason: str | None
    decided_at: str | None
    expired: bool
    expires_at: str | None
    guard_violation: str | None
    traceparent: str | None


Parse = Callable[[str], Json]

UNBOUNDED: Final = 3e9
"""A lookback in seconds that excludes nothing."""

UNIX_EPOCH: Final = datetime.fromtimestamp(0, UTC)
"""The time of an empty batch."""

MAX_REQUESTS: Final = 20_000
"""The most requests, and approvals, of one batch; the statements read one more."""

Row = TypeVar("Row")


class TooManyRequests(ResumerError):
    """The claimed executions have more requests or approvals than a batch may have."""


class UnreadableExecution(Frozen):
    """A claimed execution with something that cannot be parsed or is too large: it stops alone."""

    claimed: ClaimedExecution
    why: str
    cause: UnreadableCause = "row_unreadable"


class RequestTimes(Frozen):
    """The times of a request, for latencies: made, or due as a timer, and first read."""

    wanted_at: datetime
    seen_at: datetime


class Batch(Frozen):
    """The claimed executions: those that can be read, those that cannot, and request times.

    `took`: seconds that the server needed for the claim. `now`: the server's time after the lock.
    Deadlines count from it, because this machine's clock may be wrong. `newer`: executions whose
    state a newer version wrote. Nothing else of them is here.
    """

    claimed: Sequence[ClaimedExecution]
    unreadable: Sequence[UnreadableExecution]
    requests: Mapping[int, RequestTimes]
    took: float = 0.0
    now: datetime = UNIX_EPOCH
    newer: Sequence[UUID] = ()

    @property
    def ids(self) -> list[UUID]:
        """The executions that are locked."""
        return [c.id for c in self.claimed] + [u.claimed.id for u in self.unreadable]


async def lock_due(
    session: Session, oldest: int, newest: int = 0, without: Sequence[UUID] = ()
) -> list[UUID]:
    """Lock executions with due requests, from both ends of the queue; return their ids."""
    return await locked_ids(await _send_claim(session, oldest, newest, UNBOUNDED, without))


async def claim(
    session: Session,
    oldest: int,
    newest: int = 0,
    back: float = UNBOUNDED,
    without: Sequence[UUID] = (),
) -> Batch:
    """Lock executions with due requests, from both ends of the queue, and read them.

    `back`: requests that became due earlier than that many seconds ago are not read. Executions in
    `without` are skipped.
    """
    cursor = await _send_claim(session, oldest, newest, back, without)
    batch = await read_claimed(session)
    row = await cursor.fetchone()
    return batch if row is None else replace(batch, took=row["took"])


async def claim_given(session: Session, executions: Sequence[UUID]) -> Batch:
    """Lock these executions, skip locked ones, and read them."""
    await lock_given(session, executions)
    return await read_claimed(session)


async def lock_given(session: Session, executions: Sequence[UUID]) -> None:
    """Lock these executions; skip locked ones."""
    await session.run("claim.claim_given", {"ids": array(executions)})


async def select_without_lock(session: Session, execution: UUID) -> Batch:
    """Read one execution without a lock, to show it. Write nothing that follows from it."""
    await session.run("claim.select_without_lock", {"id": execution})
    return await read_claimed(session)


async def _send_claim(
    session: Session, oldest: int, newest: int, back: float, without: Sequence[UUID]
) -> AsyncCursor[DictRow]:
    parameters = {"limit": oldest, "newest": newest, "back": back, "without": array(without)}
    return await session.run("claim.claim_due", parameters)


async def locked_ids(cursor: AsyncCursor[DictRow]) -> list[UUID]:
    """Return the ids that a locking statement has locked."""
    row = await cursor.fetchone()
    return [] if row is None else row["ids"]


async def read_claimed(session: Session, parse: Parse = load) -> Batch:
    """Read everything about the executions that this transaction has locked.

    `parse` parses their documents.

    Raises:
        TooManyRequests: They have more requests or approvals than a batch may have.
    """
    zone = {"timezone": session.timezone}
    executions = await session.run("claim.read_executions", zone, args_row(ExecutionRow))
    requests = await session.run("claim.read_requests", zone, args_row(RequestRow))
    approvals = await session.run("claim.read_approvals", zone, args_row(ApprovalRow))
    execution_rows = await executions.fetchall()
    # by the number of the id: hashing a UUID calls Python, hashing its number does not
    requests_of: dict[int, list[RequestRow]] = defaultdict(list)
    for request in _bounded(await requests.fetchall(), "requests"):
        requests_of[request.execution_id.int].append(request)
    approvals_of: dict[int, list[Approval]] = defaultdict(list)
    for approval in _bounded(await approvals.fetchall(), "approvals"):
        approvals_of[approval.execution_id.int].append(_approval(approval))
    claimed, unreadable, newer = [], [], []
    for row in execution_rows:
        mine = requests_of[row.id.int], tuple(approvals_of[row.id.int])
        if row.too_large is not None:
            unreadable.append(
                UnreadableExecution(_claimed(row, *mine, _discard), row.too_large, "too_large")
            )
            continue
        try:
            claimed.append(_claimed(row, *mine, parse))
        except NewerState:
            newer.append(row.id)
        except ValueError as error:
            unreadable.append(UnreadableExecution(_claimed(row, *mine, _discard), str(error)))
    times = {
        r.id: RequestTimes(r.wanted_at, r.seen_at) for rows in requests_of.values() for r in rows
    }
    now = datetime.fromtimestamp(execution_rows[0].now, UTC) if execution_rows else UNIX_EPOCH
    return Batch(claimed, unreadable, times, now=now, newer=newer)


async def read_cancel_request(session: Session) -> ClaimedExecution | None:
    """Read the request that cancels the locked execution, or None, and nothing else of it."""
    row = await session.fetch_optional("claim.read_cancel_request")
    if row is None:
        return None
    return ClaimedExecution(
        id=row["id"],
        key=row["key"],
        status=row["status"],
        workflow=row["workflow_id"],
        workflow_key="",
        organization=row["organization_id"],
        context=None,
        resume_data=None,
        payload=None,
        pause=None if row["number"] is None else _pause_without_documents(row),
        last_pause=row["last_pause"] or 0,
        requests=(
            ResumeRequest(row["request"], "cancel", actor=row["actor"], reason=row["reason"]),
        ),
        approvals=(),
    )


def _pause_without_documents(row: DictRow) -> Pause:
    return Pause(
        row["number"], row["pause_reason"], None, NextSteps(), WaitCondition(), None, None,
        approval_ids=tuple(row["approval_ids"]),
    )  # fmt: skip


def _bounded(rows: list[Row], what: str) -> list[Row]:
    if len(rows) > MAX_REQUESTS:
        raise TooManyRequests(f"more than {MAX_REQUESTS:,} {what} in one batch")
    return rows


def _discard(_text: str) -> Json:
    """Replace the document of an unreadable row, which is stopped and never advanced."""
    return {}


def _claimed(
    row: ExecutionRow, requests: Sequence[RequestRow], approvals: tuple[Approval, ...], parse: Parse
) -> ClaimedExecution:
    return ClaimedExecution(
        id=row.id,
        key=row.key,
        status=row.status,
        workflow=row.workflow_id,
        workflow_key=row.workflow_key or "",
        organization=row.organization_id,
        context=_document(row.context, parse),
        resume_data=_document(row.resume_data, parse),
        payload=_document(row.trigger_payload, parse),
        pause=None if row.pause_number is None else _pause(row, row.pause_number, parse),
        last_pause=row.pause_number or row.last_pause or 0,
        requests=tuple([_request(request, parse) for request in requests]),
        approvals=approvals,
        pointers=(row.paused_step_id, row.next_step_id),
        paused_reason=row.paused_reason,
        used_approval_ids=frozenset(row.used or ()),
        blocked_by_service=row.blocked_by_service,
        time_left=row.time_left,
        paused_at=row.paused_at,
        hold=None if row.hold is None else ManualPause.from_json(load(row.hold)),
    )


def _document(text: str | None, parse: Parse) -> Json:
    return None if text is None else parse(text)


def _pause(row: ExecutionRow, number: int, parse: Parse) -> Pause:
    texts = (
        (row.next_steps, row.waiting, row.state) if parse is not _discard else ("{}", "{}", None)
    )
    next_steps, waiting, state = _parse_position(*texts)
    return Pause(
        number=number,
        reason=row.pause_reason,
        reason_before_incident=row.reason_before,
        reason_before_manual_pause=row.held_before,
        position_unknown=row.lost,
        step_id=row.pause_step,
        next_steps=next_steps,
        wait=waiting,
        state=state,
        definition=row.definition,
        approval_ids=tuple(row.approval_ids),
        prior_approval_ids=frozenset(row.prior_approval_ids),
    )


@lru_cache(maxsize=1_000)
def _parse_position(
    next_steps: str, waiting: str, state: str | None
) -> tuple[NextSteps, WaitCondition, State | None]:
    """Parse the position of a pause. Executions paused at the same step have the same texts.

    The state comes first, because it has the version: a state of a newer version is not damaged.

    Raises:
        NewerState: A newer version wrote it.
        ValueError: It is damaged.
    """
    try:
        read = None if state is None else State.from_json(load(state))
        return NextSteps.from_json(load(next_steps)), WaitCondition.from_json(load(waiting)), read
    except (TypeError, AttributeError, DamagedState) as error:
        raise ValueError(f"the pause record: {error}") from error


def _request(row: RequestRow, parse: Parse) -> ResumeRequest:
    return ResumeRequest(
        row.id, row.kind, row.source_id, row.decision, row.pause_number,
        _document(row.payload, parse), row.actor, row.reason, row.due, row.due_at, row.consumed,
    )  # fmt: skip


def _approval(row: ApprovalRow) -> Approval:
    return Approval(
        row.id, row.request_id, row.status, row.approver_id, row.approver_role,
        row.decision_reason, row.decided_at, row.expired, row.expires_at,
        row.guard_violation, row.traceparent,
    )  # fmt: skip


MIN_CACHED: Final = 16_384
"""Characters from which on parsing a text costs more than finding it in the cache."""

MAX_CACHED: Final = 16_000_000
"""Characters of all cached texts. The least recently used texts are dropped."""


class DocumentCache:
    """Parses JSON, and caches the values of large texts. Callers must not change the values."""

    def __init__(self) -> None:
        self._known: dict[str, Json] = {}
        self._characters = 0

    def __call__(self, text: str) -> Json:
        """Return the value of a text.

        Raises:
            ValueError: It is not JSON.
        """
        if not MIN_CACHED <= len(text) <= MAX_CACHED:
            return load(text)
        known = text in self._known
        document = self._known.pop(text) if known else load(text)
        self._known[text] = document
        if not known:
            self._characters += len(text)
            self._evict()
        return document

    def _evict(self) -> None:
        while self._characters > MAX_CACHED:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._characters -= len(oldest)
