"""Outcomes of requests that do not advance their execution: parked, void or too late."""

from collections.abc import Iterable

from resumer_daemon.engine.inputs import (
    APPROVAL_DELETED,
    EXTERNAL_DECISION,
    GUARD_REJECTED,
    VERDICTS,
    Pause,
    ResumeRequest,
)
from resumer_daemon.engine.vocabulary import RequestOutcome

COVERING = frozenset({"incident", "manual"})  # reasons that may cover another reason


def outcome_while_paused(request: ResumeRequest, pause: Pause) -> RequestOutcome:
    """Return the outcome of a request that does not end the open pause."""
    match request.kind:
        case "timeout" | "event" if pause.reason in COVERING:
            return "held"  # the covered wait still needs it
        case "adopt" if request.decision == EXTERNAL_DECISION and pause.reason in COVERING:
            return "held"
        case "pause":
            return "held" if pause.reason == "incident" else "duplicate"
        case "approval":
            return outcome_if_parked(request)
        case "timeout":
            return "applied"
        case "manual" | "retry":
            return "failed" if pause.accepts(request) else "superseded"
        case "start":
            return "duplicate"
        case _:
            return "superseded"


def outcomes_on_hold(requests: Iterable[ResumeRequest]) -> dict[int, RequestOutcome]:
    """Park due requests until a hold is released. Of several scans, one is kept."""
    outcomes: dict[int, RequestOutcome] = {}
    looks = False
    for request in (r for r in requests if r.due):
        outcomes[request.id] = "held" if request.kind == "timeout" else outcome_if_parked(request)
        if request.kind == "adopt":
            outcomes[request.id] = "superseded" if looks else "held"
            looks = True
    return outcomes


def outcome_if_parked(request: ResumeRequest) -> RequestOutcome:
    """Return the outcome of a request that cannot advance the execution now."""
    if request.kind != "approval":
        void = request.kind == "timeout" or request.decision == GUARD_REJECTED
        return "superseded" if void else "held"
    if request.decision == APPROVAL_DELETED:
        return "late" if request.consumed else "superseded"
    if request.decision not in VERDICTS:
        return "unrecognised"
    return _repeated_decision(request) or "held"


def _repeated_decision(request: ResumeRequest) -> RequestOutcome | None:
    if request.consumed is None:
        return None
    return "duplicate" if request.consumed == request.decision else "late"


def outcomes_if_void(requests: Iterable[ResumeRequest]) -> dict[int, RequestOutcome]:
    """Return the outcomes of requests that an advance makes void.

    Unknown and repeated decisions keep their own outcomes. A request to pause is not void: it stops
    the execution before its next step.
    """
    outcomes: dict[int, RequestOutcome] = {}
    for request in (r for r in requests if r.kind != "pause"):
        outcome = outcome_if_parked(request)
        outcomes[request.id] = "superseded" if outcome == "held" else outcome
    return outcomes


def outcome_after_end(request: ResumeRequest) -> RequestOutcome:
    """Return the outcome of a request whose execution has ended."""
    match request.kind:
        case "approval":
            outcome = outcome_if_parked(request)
            return "too_late" if outcome == "held" else outcome
        case "timeout" | "adopt" | "event":
            return "superseded"
        case "start":
            return "duplicate"
        case _:
            return "too_late"
