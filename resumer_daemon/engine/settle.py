"""All requests of one execution, settled together: which one moves it, what becomes of the rest.

Cancel first; then a person's hand; then the policy over all approvals of the open pause as they
stand now; then events, timeouts and people in the order they came. The one that moves it is
`applied`; what the end of the pause makes void is `superseded`; a decision that does not decide yet
is `held`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from uuid import UUID

from resumer_daemon.engine.answer import Answer, Decided, Decision, Event, Manual, TimedOut
from resumer_daemon.engine.match import meant_for
from resumer_daemon.engine.outcome import Waiting
from resumer_daemon.engine.parking import COVERING, after_the_end, kept, parked, void, while_paused
from resumer_daemon.engine.policy import Verdict, decide
from resumer_daemon.engine.requests import (
    ENDED,
    VERDICTS,
    Approval,
    Claimed,
    OpenPause,
    Request,
    Settled,
)
from resumer_daemon.engine.spoken import report, spoken
from resumer_daemon.value import value
from resumer_daemon.workflow.values import Json


@value(frozen=True, slots=True)
class Settlement:
    """What the requests come to. At most one of `answer`, `begins`, `cancelled`, `holds` is set.

    `outcomes` has every request that is settled now, by id; `unasked` the approvals that counted
    without a request of their own; `expire` those whose time is up; `arm` those that need a timer.
    `objections` say why a request is held that would have approved.
    """

    outcomes: Mapping[int, Settled]
    answer: Answer | None = None
    begins: bool = False
    cancelled: bool = False
    holds: bool = False
    moved_by: Request | None = None
    unasked: tuple[Approval, ...] = ()
    expire: tuple[UUID, ...] = ()
    arm: tuple[Approval, ...] = field(default=())
    objections: Mapping[int, str] = field(default_factory=dict)

    @property
    def moves(self) -> bool:
        """Tell whether the execution moves at all."""
        return self.answer is not None or self.begins or self.cancelled


def settle(claimed: Claimed) -> Settlement:
    """Decide what the requests of a claimed execution come to."""
    cancel = next((r for r in claimed.requests if r.kind == "cancel" and r.due), None)
    if claimed.status in ENDED:
        return Settlement({r.id: after_the_end(r) for r in claimed.requests})
    if cancel is not None:
        outcomes = void(claimed.requests) | {cancel.id: "applied"}
        return Settlement(outcomes, cancelled=True, moved_by=cancel)
    if claimed.hold is not None and claimed.status in ("pending", "paused"):
        return Settlement(kept(claimed.requests))
    if claimed.status == "pending":
        return _begin(claimed)
    if claimed.status == "paused" and claimed.pause is not None:
        held = _hold(claimed.pause, claimed)
        if held is not None:
            return held
        return _end_pause(claimed.pause, claimed)
    return Settlement({r.id: parked(r) for r in claimed.requests if r.due})


def _begin(claimed: Claimed) -> Settlement:
    starts = [r for r in claimed.requests if r.kind == "start"]
    outcomes = {r.id: parked(r) for r in claimed.requests if r.due}
    outcomes |= dict.fromkeys((r.id for r in starts), "duplicate")
    if not starts:
        return Settlement(outcomes)
    outcomes[starts[0].id] = "applied"
    return Settlement(outcomes, begins=True, moved_by=starts[0])


def _hold(pause: OpenPause, claimed: Claimed) -> Settlement | None:
    """Lay a person's hand on the pause: before any decision, for it is meant to stop.

    But not before a resume that was asked for earlier: that one moves the execution, and it stops
    before the next step. All else is looked at once the hand is there.
    """
    if pause.reason in COVERING or not claimed.to_pause:
        return None
    first, *others = claimed.to_pause
    if next(r for r in claimed.requests if r.due and r.kind in ("pause", "manual")) != first:
        return None
    outcomes: dict[int, Settled] = dict.fromkeys((r.id for r in others), "duplicate")
    outcomes[first.id] = "applied"
    return Settlement(outcomes, holds=True)


def _end_pause(pause: OpenPause, claimed: Claimed) -> Settlement:
    owned = [a for a in claimed.approvals if pause.owns(a)]
    if pause.reason == "approval_required":
        verdict = decide(owned, _still_awaited(pause, owned))
        if verdict is not None:
            return _decided(verdict, owned, claimed.requests)
    told = report(pause, claimed.requests)
    said = spoken(claimed) if told is not None else None
    if told is not None and said is not None:
        outcomes = void(claimed.requests) | {told.id: "applied"}
        return Settlement(outcomes, answer=said)
    for request in claimed.requests:
        answer = _answer(request, pause, claimed.context) if request.due else None
        if answer is not None:
            outcomes = void(claimed.requests) | {request.id: "applied"}
            return Settlement(outcomes, answer=answer, moved_by=request)
    still = _still_paused(pause, owned, claimed.requests)
    if told is None:
        return still
    return replace(still, outcomes={**still.outcomes, told.id: "unrecognised"})


def _still_awaited(pause: OpenPause, owned: Sequence[Approval]) -> Waiting:
    """Return what must be decided now that some of what was there may be deleted."""
    waiting = pause.waiting
    if waiting.firm is None or waiting.approvals is None:
        return waiting
    gone = len(set(pause.asked).difference(approval.id for approval in owned))
    return replace(waiting, approvals=max(waiting.firm, waiting.approvals - gone))


def _decided(
    verdict: Verdict, owned: Iterable[Approval], requests: Iterable[Request]
) -> Settlement:
    """End the pause by decision: each approval that counted has exactly one applied row."""
    requests = tuple(requests)
    outcomes = void(requests)
    unasked = []
    moved_by = None
    for approval in verdict.counted:
        request = _request_of(approval, requests)
        if request is None:
            unasked.append(approval)
        else:
            outcomes[request.id] = "applied"
            moved_by = request
    return Settlement(
        outcomes,
        answer=Decision(
            _fact(verdict.deciding), tuple(_fact(a) for a in owned if a.status in VERDICTS)
        ),
        moved_by=moved_by,
        unasked=tuple(unasked),
    )


def _request_of(approval: Approval, requests: Iterable[Request]) -> Request | None:
    """Return the newest request that says of the approval what it says itself now."""
    found = None
    for request in requests:
        if (
            request.kind == "approval"
            and request.source_id == approval.id
            and request.decision == approval.status
            and request.consumed is None
        ):
            found = request
    return found


def _fact(approval: Approval) -> Decided:
    return Decided(
        id=approval.id,
        request_id=approval.request_id,
        decision=approval.status,  # type: ignore[arg-type]  # callers filter by VERDICTS
        approver_id=approval.approver_id,
        reason=approval.reason,
        decided_at=approval.decided_at,
    )


def _answer(request: Request, pause: OpenPause, context: Json) -> Answer | None:
    """Return what a request that is no decision answers to this pause, if anything."""
    mine = pause.meant_by(request)
    payload: Mapping[str, Json] = request.payload if isinstance(request.payload, dict) else {}
    match request.kind:
        case "event" if mine and pause.reason == "waiting_for_event":
            meant = meant_for(pause.waiting.match, context, request.payload)
            return Event(request.payload) if meant else None
        case "timeout" if mine and request.source_id is None and pause.reason not in COVERING:
            return TimedOut()
        case "retry" if mine and pause.reason == "incident":
            return Manual("retry", request.actor, request.reason)
        case "manual" if mine and pause.reason != "incident" and _may_force(payload, pause):
            data = payload.get("data")
            return Manual(
                "manual", request.actor, request.reason, data if isinstance(data, dict) else {},
                payload.get("force") is True,
            )  # fmt: skip
    return None


def _may_force(payload: Mapping[str, Json], pause: OpenPause) -> bool:
    """A manual resume is no decision: while an approval is missing it needs `force`."""
    return pause.reason != "approval_required" or payload.get("force") is True


def _still_paused(
    pause: OpenPause, owned: Iterable[Approval], requests: Iterable[Request]
) -> Settlement:
    requests, owned = tuple(requests), tuple(owned)
    outcomes: dict[int, Settled] = {}
    armed: set[tuple[UUID | None, str | None]] = set()
    for request in requests:
        if request.due:
            outcomes[request.id] = while_paused(request, pause)
        elif request.kind == "timeout":
            armed.add((request.source_id, request.due_at))
    asks = pause.reason == "approval_required"
    pending = [a for a in owned if a.status == "pending"] if asks else []
    return Settlement(
        outcomes,
        expire=tuple(a.id for a in pending if a.expired),
        arm=tuple(a for a in pending if _needs_timer(a) and (a.id, a.expires_at) not in armed),
        objections=_objections(owned, requests, outcomes),
    )


def _objections(
    owned: Iterable[Approval], requests: Iterable[Request], outcomes: Mapping[int, Settled]
) -> dict[int, str]:
    """Say of each held approval why it does not count."""
    objections = {a.id: a.objection for a in owned if a.objection is not None}
    return {
        r.id: objections[r.source_id]
        for r in requests
        if outcomes.get(r.id) == "held" and r.decision == "approved" and r.source_id in objections
    }


def _needs_timer(approval: Approval) -> bool:
    return approval.expires_at is not None and not approval.expired
