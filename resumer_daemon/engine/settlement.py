"""Settle all requests of one execution together.

After the end of an execution every request is late. Otherwise a cancel comes first. While the
workflow is on hold, all other requests are kept. Then a start or a manual pause follows. Then the
approval policy decides each branch that waits for approvals, with the approvals as they are now.
Then events, timeouts and manual resumes follow in the order in which they arrived. Each of them
ends the matching branch that has waited longest. A request that ends a wait is `applied`. A request
that the end of a wait makes void is `superseded`. A decision that does not decide yet is `held`.

On a pause that another program wrote, the boolean `approved` in `resume_data` is a decision without
an approver. The trigger adds a request if it was written during the pause, because a value from an
earlier pause may remain there. On the daemon's own pauses, only approvals decide.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import field
from msgspec.structs import replace

from resumer_daemon.engine.event_matching import WaitingBranches, entities_of
from resumer_daemon.engine.inputs import (
    EXTERNAL_DECISION,
    VERDICTS,
    Approval,
    ClaimedExecution,
    DecidedApproval,
    Decision,
    Event,
    Manual,
    Pause,
    Resolution,
    ResumeRequest,
    TimedOut,
)
from resumer_daemon.engine.parking import (
    COVERING,
    outcome_after_end,
    outcome_if_parked,
    outcome_while_paused,
    outcomes_if_void,
    outcomes_on_hold,
)
from resumer_daemon.engine.policy import PolicyResult, decide
from resumer_daemon.engine.state import PAUSE, Branch, State, WaitCondition
from resumer_daemon.engine.vocabulary import ENDED_STATUSES, RequestOutcome
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.values import Json


class Settlement(Frozen):
    """The result of all requests. At most one of `resolutions`, `starts`, `cancelled`, `pauses`.

    - `resolutions`: by the path of the branch that each of them ends.
    - `outcomes`: of every request that is settled now, by id.
    - `unrequested_approvals`: approvals that counted without a request of their own.
    - `overdue`: approvals to expire. `without_timer`: approvals that need a timer.
    - `guard_violations`: the reason why an approval does not count, by the id of its request.
    """

    outcomes: Mapping[int, RequestOutcome]
    resolutions: Mapping[str, Resolution] = field(default_factory=dict)
    starts: bool = False
    cancelled: bool = False
    pauses: bool = False
    moved_by: ResumeRequest | None = None
    unrequested_approvals: tuple[Approval, ...] = ()
    overdue: tuple[UUID, ...] = ()
    without_timer: tuple[Approval, ...] = field(default=())
    guard_violations: Mapping[int, str] = field(default_factory=dict)

    @property
    def resolution(self) -> Resolution | None:
        """The resolution of the branch that was decided first, None if no branch was."""
        return next(iter(self.resolutions.values()), None)

    @property
    def moves(self) -> bool:
        """Tell whether the execution advances or ends."""
        return bool(self.resolutions) or self.starts or self.cancelled


def settle(claimed: ClaimedExecution) -> Settlement:
    """Return the result of all requests of a claimed execution."""
    cancel = next((r for r in claimed.requests if r.kind == "cancel" and r.due), None)
    if claimed.status in ENDED_STATUSES:
        return Settlement({r.id: outcome_after_end(r) for r in claimed.requests})
    if cancel is not None:
        outcomes = outcomes_if_void(claimed.requests) | {cancel.id: "applied"}
        return Settlement(outcomes, cancelled=True, moved_by=cancel)
    if claimed.hold is not None and claimed.status in ("pending", "paused"):
        return Settlement(outcomes_on_hold(claimed.requests))
    if claimed.status == "pending":
        return _settle_start(claimed)
    if claimed.status == "paused" and claimed.pause is not None:
        held = _settle_manual_pause(claimed.pause, claimed)
        if held is not None:
            return held
        return _settle_pause(claimed.pause, claimed)
    outcomes = {r.id: outcome_if_parked(r) for r in claimed.requests if r.due}
    outcomes |= dict.fromkeys(_open_timers(claimed), "held")
    violations = _guard_violations(claimed.approvals, claimed.requests, outcomes)
    return Settlement(outcomes, guard_violations=violations)


def _open_timers(claimed: ClaimedExecution) -> set[int]:
    """Return the due timers of approvals that are pending and not overdue.

    They wait until the execution pauses. Only then is it known whether a branch waits for them.
    """
    pending = {a.id for a in claimed.approvals if a.status == "pending" and not a.expired}
    timers = (r for r in claimed.requests if r.kind == "timeout" and r.due)
    return {timer.id for timer in timers if timer.source_id in pending}


def _settle_start(claimed: ClaimedExecution) -> Settlement:
    starts = [r for r in claimed.requests if r.kind == "start"]
    outcomes = {r.id: outcome_if_parked(r) for r in claimed.requests if r.due}
    outcomes |= dict.fromkeys((r.id for r in starts), "duplicate")
    if not starts:
        return Settlement(outcomes)
    outcomes[starts[0].id] = "applied"
    return Settlement(outcomes, starts=True, moved_by=starts[0])


def _settle_manual_pause(pause: Pause, claimed: ClaimedExecution) -> Settlement | None:
    """Apply a request for a manual pause before any decision. None if there is none.

    A resume that was requested earlier comes first. It advances the execution, which then stops
    before its next step. All other requests are settled in the next batch.
    """
    if pause.reason in COVERING or not claimed.pause_requests:
        return None
    first, *others = claimed.pause_requests
    if next(r for r in claimed.requests if r.due and r.kind in ("pause", "manual")) != first:
        return None
    outcomes: dict[int, RequestOutcome] = dict.fromkeys((r.id for r in others), "duplicate")
    outcomes[first.id] = "applied"
    return Settlement(outcomes, pauses=True)


class _EndedBranch(Frozen):
    """The resolution of a branch, its requests, and its approvals without a request."""

    resolution: Resolution
    requests: tuple[ResumeRequest, ...]
    unasked: tuple[Approval, ...] = ()

    @property
    def moved_by(self) -> ResumeRequest | None:
        """The request that completed it, None for a decision of another program."""
        last = self.requests[-1] if self.requests else None
        return None if last is None or last.kind == "adopt" else last


def _without_events_before_scan(pause: Pause, claimed: ClaimedExecution) -> ClaimedExecution:
    """Leave events for the next batch if a scan for earlier events is due."""
    if pause.reason in COVERING or not any(r.kind == "adopt" and r.due for r in claimed.requests):
        return claimed
    return replace(claimed, requests=tuple(r for r in claimed.requests if r.kind != "event"))


def _settle_pause(pause: Pause, claimed: ClaimedExecution) -> Settlement:
    """End each branch that has a resolution. The others keep waiting."""
    claimed = _without_events_before_scan(pause, claimed)
    external = external_decision_request(pause, claimed.requests)
    ended = _ended_branches(pause, claimed, external)
    if not ended:
        still = _still_paused(pause, claimed)
        unrecognised: dict[int, RequestOutcome] = (
            {} if external is None else {external.id: "unrecognised"}
        )
        return replace(still, outcomes={**still.outcomes, **unrecognised})
    moved = _settlement_of(ended, outcomes_if_void(claimed.requests))
    violations = _violations_beside(claimed, moved)
    return replace(moved, guard_violations=violations) if violations else moved


def _violations_beside(claimed: ClaimedExecution, moved: Settlement) -> dict[int, str]:
    """Return why decisions did not count, for branches that keep waiting."""
    if all(approval.guard_violation is None for approval in claimed.approvals):
        return {}
    others = {
        request: outcome for request, outcome in moved.outcomes.items() if outcome != "applied"
    }
    kept: dict[int, RequestOutcome] = dict.fromkeys(others, "held")
    return _guard_violations(claimed.approvals, claimed.requests, kept)


def settle_beside(claimed: ClaimedExecution, state: State, now: datetime) -> Settlement:
    """Settle branches that wait beside effects in flight. `state` is of both.

    Only requests that end a branch are settled. All others wait until the execution pauses. Nothing
    is settled during a manual pause or a hold.
    """
    if not state.branches or claimed.manual_pause is not None:
        return Settlement({})
    pause = _pause_beside(claimed, state)
    requests = tuple(r for r in claimed.requests if r.kind in ("approval", "event", "timeout"))
    ended = _ended_branches(pause, replace(claimed, requests=requests), None)
    for branch in state.branches:
        due_at = branch.wait.due_at
        if branch.path not in ended and due_at is not None and due_at <= now:
            ended[branch.path] = _EndedBranch(TimedOut(), ())
    still = _still_paused(pause, claimed)
    return replace(_settlement_of(ended, {}), overdue=still.overdue)


def _pause_beside(claimed: ClaimedExecution, state: State) -> Pause:
    """Return the pause that the execution would open if no effect were in flight."""
    longest = state.branches[0]
    approval_ids = tuple(approval for branch in state.branches for approval in branch.approval_ids)
    there = frozenset(approval.id for approval in claimed.approvals)
    return Pause(
        claimed.last_pause + 1, longest.reason, longest.step_id, longest.next_steps, longest.wait,
        state, None, approval_ids=approval_ids, prior_approval_ids=there.difference(approval_ids),
    )  # fmt: skip


def _settlement_of(
    ended: Mapping[str, _EndedBranch], others: Mapping[int, RequestOutcome]
) -> Settlement:
    """Return the settlement of ended branches. `others` are outcomes of other requests."""
    counted = {each.id for part in ended.values() for each in part.requests}
    moved_by = [part.moved_by for part in ended.values() if part.moved_by is not None]
    return Settlement(
        {**others, **dict.fromkeys(counted, "applied")},
        {path: part.resolution for path, part in ended.items()},
        moved_by=moved_by[-1] if moved_by else None,
        unrequested_approvals=tuple(each for part in ended.values() for each in part.unasked),
    )


def _ended_branches(
    pause: Pause, claimed: ClaimedExecution, external: ResumeRequest | None
) -> dict[str, _EndedBranch]:
    """Return the branches that end, by path: first by decisions, then by arrival."""
    ended = _decisions(pause, claimed)
    if PAUSE in ended:
        return ended  # there is no other branch
    stated = external_decision(claimed) if external is not None and not ended else None
    if external is not None and stated is not None:
        ended[PAUSE] = _EndedBranch(stated, (external,))
    used: set[UUID | None] = set()
    awaited = _waiting_branches(pause, claimed)
    for request in claimed.requests:
        if not request.due or (request.kind == "event" and request.source_id in used):
            continue
        found = _resolution_of(request, pause, awaited, ended)
        if found is not None:
            path, resolution = found
            ended[path] = _EndedBranch(resolution, (request,))
            used |= {request.source_id} if request.kind == "event" else set()
    return ended


def _waiting_branches(pause: Pause, claimed: ClaimedExecution) -> WaitingBranches | None:
    """Return the waiting branches if a timer or an event is due, else None."""
    asks = any(r.due and r.kind in ("event", "timeout") for r in claimed.requests)
    if pause.reason in COVERING or not asks:
        return None
    return WaitingBranches(pause.branches, entities_of(claimed.context, claimed.resume_data))


def _resolution_of(
    request: ResumeRequest,
    pause: Pause,
    awaited: WaitingBranches | None,
    ended: Mapping[str, _EndedBranch],
) -> tuple[str, Resolution] | None:
    """Return the path and the resolution of the branch that a request ends, None if none.

    It is the branch that has waited longest. A manual resume or a retry means the branch that the
    pause shows.
    """
    if not pause.accepts(request):
        return None
    if request.kind in ("manual", "retry"):
        shown = None if pause.reason in COVERING else pause.branches[0]
        path = PAUSE if shown is None else shown.path
        resolution = None if path in ended else _manual_resolution(request, pause, shown)
        return None if resolution is None else (path, resolution)
    if awaited is None:
        return None
    if request.kind == "timeout" and request.source_id is None:
        branch = awaited.timer(request, ended)
        return None if branch is None else (branch.path, TimedOut())
    branch = awaited.event(request, ended) if request.kind == "event" else None
    return None if branch is None else (branch.path, Event(request.payload))


def _decisions(pause: Pause, claimed: ClaimedExecution) -> dict[str, _EndedBranch]:
    """Return the branches that their approvals decide."""
    if pause.reason in COVERING:
        return {}
    ended = {}
    requests = _newest_by_decision(claimed.requests)
    for branch, approvals in pause.approval_branches(claimed.approvals):
        result = decide(approvals, _current_condition(branch, approvals))
        if result is not None:
            ended[branch.path] = _decided(result, approvals, requests)
    if len(ended) < 2:
        return ended
    return dict(sorted(ended.items(), key=lambda part: _decided_at(part[1].resolution)))


def _decided_at(resolution: Resolution) -> str:
    return (resolution.deciding.decided_at or "") if isinstance(resolution, Decision) else ""


def _newest_by_decision(
    requests: Iterable[ResumeRequest],
) -> dict[tuple[UUID | None, str | None], ResumeRequest]:
    """Map each approval and its decision to the newest request that reports it."""
    return {
        (request.source_id, request.decision): request
        for request in requests
        if request.kind == "approval" and request.consumed is None
    }


def _current_condition(branch: Branch, approvals: Sequence[Approval]) -> WaitCondition:
    """Return the condition of a branch, given that some approvals may be deleted."""
    waiting = branch.wait
    if waiting.minimum is None or waiting.approvals is None:
        return waiting
    gone = len(set(branch.approval_ids).difference(approval.id for approval in approvals))
    return replace(waiting, approvals=max(waiting.minimum, waiting.approvals - gone))


def _decided(
    result: PolicyResult,
    approvals: Iterable[Approval],
    requests: Mapping[tuple[UUID | None, str | None], ResumeRequest],
) -> _EndedBranch:
    """Return the decision. Each approval that counts has exactly one applied request."""
    found = [requests.get((approval.id, approval.status)) for approval in result.counted]
    return _EndedBranch(
        Decision(
            _decided_approval(result.deciding),
            tuple(_decided_approval(a) for a in approvals if a.status in VERDICTS),
        ),
        tuple(request for request in found if request is not None),
        tuple(
            approval
            for approval, request in zip(result.counted, found, strict=True)
            if request is None
        ),
    )


def _decided_approval(approval: Approval) -> DecidedApproval:
    return DecidedApproval(
        id=approval.id,
        request_id=approval.request_id,
        decision=approval.status,  # type: ignore[arg-type]  # callers filter by VERDICTS
        approver_id=approval.approver_id,
        reason=approval.reason,
        decided_at=approval.decided_at,
    )


def _manual_resolution(
    request: ResumeRequest, pause: Pause, shown: Branch | None
) -> Resolution | None:
    """Return the resolution by a manual resume or a retry, None if it is not allowed."""
    payload: Mapping[str, Json] = request.payload if isinstance(request.payload, dict) else {}
    if request.kind == "retry":
        retried = pause.reason == "incident"
        return Manual("retry", request.actor, request.reason) if retried else None
    if pause.reason == "incident" or not _may_force(payload, pause):
        return None
    given = payload.get("data")
    data = given if isinstance(given, dict) else {}
    asks = shown is not None and shown.reason == "approval_required"
    return Manual(
        "manual", request.actor, request.reason, data,
        force=payload.get("force") is True,
        approves=data.get("approved") is not False if asks else None,
    )  # fmt: skip


def _may_force(payload: Mapping[str, Json], pause: Pause) -> bool:
    """Tell whether a manual resume may end a pause: without an approval it needs `force`."""
    return pause.reason != "approval_required" or payload.get("force") is True


def _still_paused(pause: Pause, claimed: ClaimedExecution) -> Settlement:
    outcomes: dict[int, RequestOutcome] = {}
    armed: set[tuple[UUID | None, str | None]] = set()
    for request in claimed.requests:
        if request.due:
            outcomes[request.id] = outcome_while_paused(request, pause)
        elif request.kind == "timeout":
            armed.add((request.source_id, request.due_at))
    owned = [a for _, approvals in pause.approval_branches(claimed.approvals) for a in approvals]
    pending = [a for a in owned if a.status == "pending"] if pause.reason not in COVERING else []
    return Settlement(
        outcomes,
        overdue=tuple(a.id for a in pending if a.expired),
        without_timer=tuple(
            a for a in pending if _needs_timer(a) and (a.id, a.expires_at) not in armed
        ),
        guard_violations=_guard_violations(owned, claimed.requests, outcomes),
    )


def _guard_violations(
    owned: Iterable[Approval],
    requests: Iterable[ResumeRequest],
    outcomes: Mapping[int, RequestOutcome],
) -> dict[int, str]:
    """Return why held approvals do not count, by the ids of their requests."""
    violations = {a.id: a.guard_violation for a in owned if a.guard_violation is not None}
    return {
        r.id: violations[r.source_id]
        for r in requests
        if outcomes.get(r.id) == "held" and r.decision == "approved" and r.source_id in violations
    }


def _needs_timer(approval: Approval) -> bool:
    return approval.expires_at is not None and not approval.expired


def external_decision_request(
    pause: Pause, requests: Sequence[ResumeRequest]
) -> ResumeRequest | None:
    """Return the newest request for a decision of another program, if any."""
    if pause.reason != "approval_required" or _is_own(pause):
        return None
    external = [
        request for request in requests if request.due and request.decision == EXTERNAL_DECISION
    ]
    return external[-1] if external else None


def external_decision(claimed: ClaimedExecution) -> Manual | None:
    """Return the decision that another program wrote to `resume_data`, if any."""
    data = claimed.resume_data
    word: Json = data.get("approved") if isinstance(data, dict) else None
    if not isinstance(word, bool):
        return None
    return Manual("manual", None, None, {"approved": word}, approves=word)


def _is_own(pause: Pause) -> bool:
    """Tell whether the daemon opened a pause: then its state has the attempt of the step."""
    return pause.state is None or bool(pause.state.progress)
