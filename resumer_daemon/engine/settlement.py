"""Settle all requests of one execution together: which one moves it, and what becomes of the rest.

A cancel comes first, then a manual pause or resume. Then, for each branch that waits, the
approval policy over its approvals as they are now. Then events, timeouts and manual resumes in
the order in which they came, each for the branch that has waited longest for it. A request that
moves a branch is `applied`. One that the end of a wait makes void is `superseded`. A decision
that does not decide yet is `held`.

On a pause that another program wrote, the boolean `approved` in `resume_data` is a decision,
without an approver. The trigger marks that it was written while the row was paused, because one
of an earlier pause may be left there. On the daemon's own pauses it is ignored: only approvals
decide.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from uuid import UUID

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
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.values import Json


@frozen
class Settlement:
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
        """The answer to the branch that was decided first, if any was."""
        return next(iter(self.resolutions.values()), None)

    @property
    def moves(self) -> bool:
        """Tell whether the execution moves at all."""
        return bool(self.resolutions) or self.starts or self.cancelled


def settle(claimed: ClaimedExecution) -> Settlement:
    """Decide what the requests of a claimed execution come to."""
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
    objections = _guard_violations(claimed.approvals, claimed.requests, outcomes)
    return Settlement(outcomes, guard_violations=objections)


def _open_timers(claimed: ClaimedExecution) -> set[int]:
    """Return the timers of approvals that are pending and not past: they were to be closed.

    Whoever runs the execution knows whether anybody waits for them.
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
    """Lay a person's hand on the pause: before any decision, for it is meant to stop.

    But not before a resume that was asked for earlier: that one moves the execution, and it stops
    before the next step. All else is looked at once the hand is there.
    """
    if pause.reason in COVERING or not claimed.pause_requests:
        return None
    first, *others = claimed.pause_requests
    if next(r for r in claimed.requests if r.due and r.kind in ("pause", "manual")) != first:
        return None
    outcomes: dict[int, RequestOutcome] = dict.fromkeys((r.id for r in others), "duplicate")
    outcomes[first.id] = "applied"
    return Settlement(outcomes, pauses=True)


@frozen
class _EndedBranch:
    """The answer to one branch, the requests that count for it, and approvals without a request."""

    answer: Resolution
    requests: tuple[ResumeRequest, ...]
    unasked: tuple[Approval, ...] = ()

    @property
    def moved_by(self) -> ResumeRequest | None:
        """The request that completed it; another program's word on its own pause is none."""
        last = self.requests[-1] if self.requests else None
        return None if last is None or last.kind == "adopt" else last


def _without_events_before_scan(pause: Pause, claimed: ClaimedExecution) -> ClaimedExecution:
    """Leave the events for the next look while a look back is due, which may find older ones."""
    if pause.reason in COVERING or not any(r.kind == "adopt" and r.due for r in claimed.requests):
        return claimed
    return replace(claimed, requests=tuple(r for r in claimed.requests if r.kind != "event"))


def _settle_pause(pause: Pause, claimed: ClaimedExecution) -> Settlement:
    """Answer each branch that can be: the others go on waiting, whatever becomes of these."""
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
    objections = _violations_beside(claimed, moved)
    return replace(moved, guard_violations=objections) if objections else moved


def _violations_beside(claimed: ClaimedExecution, moved: Settlement) -> dict[int, str]:
    """Say why decisions did not count for what moves: their branches may wait on."""
    if all(approval.guard_violation is None for approval in claimed.approvals):
        return {}
    others = {
        request: outcome for request, outcome in moved.outcomes.items() if outcome != "applied"
    }
    kept: dict[int, RequestOutcome] = dict.fromkeys(others, "held")
    return _guard_violations(claimed.approvals, claimed.requests, kept)


def settle_beside(claimed: ClaimedExecution, state: State, now: datetime) -> Settlement:
    """Answer branches that wait while effects of others are under way: `state` is where both stand.

    Only what counts is settled: all else is looked at once the execution stands. What a person
    holds does not move.
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
    """Return the pause that an execution would open if no effect were under way."""
    longest = state.branches[0]
    asked = tuple(approval for branch in state.branches for approval in branch.approval_ids)
    there = frozenset(approval.id for approval in claimed.approvals)
    return Pause(
        claimed.last_pause + 1, longest.reason, longest.step_id, longest.next_steps, longest.wait,
        state, None, approval_ids=asked, prior_approval_ids=there.difference(asked),
    )  # fmt: skip


def _settlement_of(
    ended: Mapping[str, _EndedBranch], others: Mapping[int, RequestOutcome]
) -> Settlement:
    """Put together what was answered; `others` is what becomes of the requests beside."""
    counted = {each.id for part in ended.values() for each in part.requests}
    moved_by = [part.moved_by for part in ended.values() if part.moved_by is not None]
    return Settlement(
        {**others, **dict.fromkeys(counted, "applied")},
        {path: part.answer for path, part in ended.items()},
        moved_by=moved_by[-1] if moved_by else None,
        unrequested_approvals=tuple(each for part in ended.values() for each in part.unasked),
    )


def _ended_branches(
    pause: Pause, claimed: ClaimedExecution, external: ResumeRequest | None
) -> dict[str, _EndedBranch]:
    """Return what answers each branch, by its path: decisions first, then what came first."""
    ended = _decisions(pause, claimed)
    if PAUSE in ended:
        return ended  # the only branch there is
    said = external_decision(claimed) if external is not None and not ended else None
    if external is not None and said is not None:
        ended[PAUSE] = _EndedBranch(said, (external,))
    used: set[UUID | None] = set()
    awaited = _waiting_branches(pause, claimed)
    for request in claimed.requests:
        if not request.due or (request.kind == "event" and request.source_id in used):
            continue
        answered = _resolution_of(request, pause, awaited, ended)
        if answered is not None:
            path, answer = answered
            ended[path] = _EndedBranch(answer, (request,))
            used |= {request.source_id} if request.kind == "event" else set()
    return ended


def _waiting_branches(pause: Pause, claimed: ClaimedExecution) -> WaitingBranches | None:
    """Return what the branches wait for, where a timer or an event asks."""
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
    """Return which branch a request that is no decision answers: the one that has waited longest.

    A person who resumes, or retries, means what the pause shows.
    """
    if not pause.accepts(request):
        return None
    if request.kind in ("manual", "retry"):
        shown = None if pause.reason in COVERING else pause.branches[0]
        path = PAUSE if shown is None else shown.path
        answer = None if path in ended else _manual_resolution(request, pause, shown)
        return None if answer is None else (path, answer)
    if awaited is None:
        return None
    if request.kind == "timeout" and request.source_id is None:
        branch = awaited.timer(request, ended)
        return None if branch is None else (branch.path, TimedOut())
    branch = awaited.event(request, ended) if request.kind == "event" else None
    return None if branch is None else (branch.path, Event(request.payload))


def _decisions(pause: Pause, claimed: ClaimedExecution) -> dict[str, _EndedBranch]:
    """Return the branches that approvals have decided, as these stand now."""
    if pause.reason in COVERING:
        return {}
    ended = {}
    requests = _newest_by_decision(claimed.requests)
    for branch, approvals in pause.approval_branches(claimed.approvals):
        verdict = decide(approvals, _current_condition(branch, approvals))
        if verdict is not None:
            ended[branch.path] = _decided(verdict, approvals, requests)
    if len(ended) < 2:
        return ended
    return dict(sorted(ended.items(), key=lambda part: _decided_at(part[1].answer)))


def _decided_at(answer: Resolution) -> str:
    return (answer.deciding.decided_at or "") if isinstance(answer, Decision) else ""


def _newest_by_decision(
    requests: Iterable[ResumeRequest],
) -> dict[tuple[UUID | None, str | None], ResumeRequest]:
    """Map each approval and what was said of it to the newest request that says so."""
    return {
        (request.source_id, request.decision): request
        for request in requests
        if request.kind == "approval" and request.consumed is None
    }


def _current_condition(branch: Branch, approvals: Sequence[Approval]) -> WaitCondition:
    """Return what must be decided now that some of what was there may be deleted."""
    waiting = branch.wait
    if waiting.minimum is None or waiting.approvals is None:
        return waiting
    gone = len(set(branch.approval_ids).difference(approval.id for approval in approvals))
    return replace(waiting, approvals=max(waiting.minimum, waiting.approvals - gone))


def _decided(
    verdict: PolicyResult,
    approvals: Iterable[Approval],
    requests: Mapping[tuple[UUID | None, str | None], ResumeRequest],
) -> _EndedBranch:
    """Return the decision: each approval that counted has exactly one applied row."""
    found = [requests.get((approval.id, approval.status)) for approval in verdict.counted]
    return _EndedBranch(
        Decision(
            _decided_approval(verdict.deciding),
            tuple(_decided_approval(a) for a in approvals if a.status in VERDICTS),
        ),
        tuple(request for request in found if request is not None),
        tuple(
            approval
            for approval, request in zip(verdict.counted, found, strict=True)
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
    """Return what a person's resume or retry answers to what the pause shows, if anything."""
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
    """A manual resume is no decision: while an approval is missing it needs `force`."""
    return pause.reason != "approval_required" or payload.get("force") is True


def _still_paused(pause: Pause, claimed: ClaimedExecution) -> Settlement:
    outcomes: dict[int, RequestOutcome] = {}
    armed: set[tuple[UUID | None, str | None]] = set()
    for request in claimed.requests:
        if request.due:
            outcomes[request.id] = outcome_while_paused(request, pause)
        elif request.kind == "timeout":
            armed.add((request.source_id, request.due_at))
    asked = [a for _, approvals in pause.approval_branches(claimed.approvals) for a in approvals]
    pending = [a for a in asked if a.status == "pending"] if pause.reason not in COVERING else []
    return Settlement(
        outcomes,
        overdue=tuple(a.id for a in pending if a.expired),
        without_timer=tuple(
            a for a in pending if _needs_timer(a) and (a.id, a.expires_at) not in armed
        ),
        guard_violations=_guard_violations(asked, claimed.requests, outcomes),
    )


def _guard_violations(
    owned: Iterable[Approval],
    requests: Iterable[ResumeRequest],
    outcomes: Mapping[int, RequestOutcome],
) -> dict[int, str]:
    """Say of each held approval why it does not count."""
    objections = {a.id: a.guard_violation for a in owned if a.guard_violation is not None}
    return {
        r.id: objections[r.source_id]
        for r in requests
        if outcomes.get(r.id) == "held" and r.decision == "approved" and r.source_id in objections
    }


def _needs_timer(approval: Approval) -> bool:
    return approval.expires_at is not None and not approval.expired


def external_decision_request(
    pause: Pause, requests: Sequence[ResumeRequest]
) -> ResumeRequest | None:
    """Return the newest request that tells of a word on this pause, if it may have one."""
    if pause.reason != "approval_required" or _is_own(pause):
        return None
    external = [
        request for request in requests if request.due and request.decision == EXTERNAL_DECISION
    ]
    return external[-1] if external else None


def external_decision(claimed: ClaimedExecution) -> Manual | None:
    """Return the word that stands in the row, if it is a decision."""
    data = claimed.resume_data
    word: Json = data.get("approved") if isinstance(data, dict) else None
    if not isinstance(word, bool):
        return None
    return Manual("manual", None, None, {"approved": word}, approves=word)


def _is_own(pause: Pause) -> bool:
    """Where a step of ours paused, its attempt is remembered."""
    return pause.state is None or bool(pause.state.progress)
