"""Plan each way in which an execution moves: start, resume, retry, cancel, fail, incident."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.engine.advance import advance, begin
from resumer_daemon.engine.inputs import (
    EXTERNAL_DECISION,
    AdvanceInputs,
    ClaimedExecution,
    Decision,
    Manual,
    Resolution,
    ResumeRequest,
)
from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    Effect,
    EffectResult,
    Effects,
    Failed,
    Incident,
    NewApproval,
    Outcome,
    Paused,
)
from resumer_daemon.engine.parking import COVERING, outcome_after_end, outcome_if_parked
from resumer_daemon.engine.plan import PauseToOpen, PendingEffects, PinnedDefinition, Plan, Status
from resumer_daemon.engine.preload import build_context, effects_to_load
from resumer_daemon.engine.resume import (
    reset_step_counts,
    resume,
    resume_data_after,
    resume_data_at_pause,
    resume_inside,
)
from resumer_daemon.engine.settlement import Settlement
from resumer_daemon.engine.state import PAUSE, Branch, State
from resumer_daemon.engine.steps.basic import GATE
from resumer_daemon.engine.vocabulary import ENDED_STATUSES, RequestOutcome
from resumer_daemon.workflow.context import build, effective
from resumer_daemon.workflow.values import Json


def plan_unmoved(claimed: ClaimedExecution, settlement: Settlement) -> Plan:
    """Plan for an execution that does not advance now."""
    return Plan(
        claimed,
        settlement.outcomes,
        settlement,
        withdrawn=_abandoned_approvals(claimed),
        closed_by=claimed.status
        if claimed.pause is not None and claimed.status != "paused"
        else None,
        requeues_past_events=_requeues_past_events(claimed, settlement),
        event_not_matched=_event_not_matched(claimed, settlement),
        overdue=settlement.overdue,
        without_timer=settlement.without_timer,
    )


def _abandoned_approvals(claimed: ClaimedExecution) -> tuple[UUID, ...]:
    """Return pending approvals that no branch waits for any more.

    A due timer shows an approval that a person was deciding when the daemon tried to close it.
    """
    timed = {r.source_id for r in claimed.requests if r.kind == "timeout" and r.due} - {None}
    if claimed.status in ENDED_STATUSES:
        return pending_approvals(claimed) if claimed.last_pause > 0 or timed else ()
    pause = claimed.pause
    if not timed or pause is None or pause.reason in COVERING:
        return ()
    asking = pause.approval_branches(claimed.approvals)
    awaited = {approval.id for _, approvals in asking for approval in approvals}
    return tuple(each for each in pending_approvals(claimed) if each in timed - awaited)


def plan_adoption(claimed: ClaimedExecution, opens: PauseToOpen) -> Plan:
    """Plan for a pause of another program. The next batch settles its requests.

    Its columns stay as they are, unless they lack the step or show an end.
    """
    shown = claimed.status == "paused" and claimed.pointers[0] == opens.step_id
    return Plan(claimed, {}, status=None if shown else "paused", opens=opens, adopts=True)


def plan_blocked_end(claimed: ClaimedExecution) -> Plan:
    """Plan for an execution that the trigger paused but the service had blocked for good."""
    outcomes = {r.id: outcome_after_end(r) for r in claimed.requests}
    return Plan(claimed, outcomes, status="completed", result="blocked")


def plan_second_look(claimed: ClaimedExecution, check_again_at: datetime | None) -> Plan:
    """Plan to read the execution again later, because other programs may still write."""
    outcomes: dict[int, RequestOutcome] = {
        r.id: "superseded" if r.kind == "adopt" and r.decision != EXTERNAL_DECISION else "held"
        for r in claimed.requests
        if r.due
    }
    return Plan(claimed, outcomes, check_again_at=check_again_at)


def pending_approvals(claimed: ClaimedExecution) -> tuple[UUID, ...]:
    """Return the approvals without a decision."""
    return tuple(each.id for each in claimed.approvals if each.status == "pending")


def plan_undo(claimed: ClaimedExecution) -> Plan:
    """Plan to undo writes that the write guard could not check. All else waits for that."""
    unchecked = tuple(r.id for r in claimed.unchecked_writes)
    return Plan(claimed, dict.fromkeys(unchecked, "applied"), writes_to_undo=unchecked)


def _requeues_past_events(claimed: ClaimedExecution, settlement: Settlement) -> bool:
    """Tell whether a new wait must look for events that arrived before it."""
    # the waits of a running execution are known only as rows
    waits = claimed.status == "running" or _waits_for_events(claimed)
    return waits and any(
        r.kind == "adopt" and r.id in settlement.outcomes for r in claimed.requests
    )


def _event_not_matched(claimed: ClaimedExecution, settlement: Settlement) -> bool:
    """Tell whether an event did not end a wait, so the next event must be looked for."""
    return _waits_for_events(claimed) and any(
        r.kind == "event" and settlement.outcomes.get(r.id) == "superseded"
        for r in claimed.requests
    )


def _waits_for_events(claimed: ClaimedExecution) -> bool:
    branches = () if claimed.pause is None else claimed.pause.branches
    waits = any(branch.reason == "waiting_for_event" for branch in branches)
    return waits and claimed.status == "paused"


def plan_cancel(claimed: ClaimedExecution, settlement: Settlement) -> Plan:
    """Plan for a cancel. The execution has no result."""
    return Plan(
        claimed, settlement.outcomes, settlement, status="cancelled", closed_by="cancel",
        resumed=False, withdrawn=pending_approvals(claimed),
    )  # fmt: skip


def plan_failed_start(claimed: ClaimedExecution, settlement: Settlement, error: str) -> Plan:
    """Plan for a start that fails before the first step."""
    closes = _closed_by(settlement) if claimed.pause is not None else None
    return Plan(
        claimed, settlement.outcomes, settlement, status="failed", result="failed", error=error,
        closed_by=closes,
    )  # fmt: skip


def plan_incident(claimed: ClaimedExecution, settlement: Settlement | None, what: Incident) -> Plan:
    """Plan for an incident. Requests that have arrived are parked."""
    outcomes: dict[int, RequestOutcome] = {r.id: "held" for r in claimed.requests if r.due}
    if claimed.pause is not None:
        return Plan(claimed, outcomes, settlement, incident=what)
    opens = PauseToOpen(claimed.last_pause + 1, "incident", incident=what)
    return Plan(claimed, outcomes, settlement, status="paused", opens=opens)


def plan_start(
    claimed: ClaimedExecution,
    settlement: Settlement,
    pinned: PinnedDefinition,
    inputs: AdvanceInputs,
) -> Plan:
    """Plan for the first run: load documents, build the context, and advance."""
    if pinned.definition.timeout_error is not None:
        return plan_failed_start(claimed, settlement, pinned.definition.timeout_error)
    timeout = pinned.definition.timeout or inputs.default_timeout
    state = replace(begin(pinned.definition, timeout), loaded=inputs.loaded)
    plan = plan_after_loading(claimed, settlement, pinned, state, inputs)
    return plan if timeout is None else replace(plan, timeout=timeout)


def plan_after_loading(
    claimed: ClaimedExecution,
    settlement: Settlement,
    pinned: PinnedDefinition,
    state: State,
    inputs: AdvanceInputs,
) -> Plan:
    """Plan to load missing documents, or to advance if all are loaded."""
    effects = effects_to_load(pinned.definition, state.loaded, claimed, inputs)
    if effects:
        pending = PendingEffects(pinned, state, effects)
        return Plan(claimed, settlement.outcomes, settlement, "running", pending_effects=pending)
    context = build_context(pinned.definition, state.loaded, claimed, inputs)
    state = replace(state, loaded={})
    advanced = advance(pinned.definition, state, context, inputs)
    return plan_advance(claimed, settlement, pinned, advanced, claimed.resume_data, context)


def plan_resume(
    claimed: ClaimedExecution,
    settlement: Settlement,
    pinned: PinnedDefinition,
    inputs: AdvanceInputs,
) -> Plan:
    """Plan for the end of a pause: advance from its state with the resolutions."""
    pause, resolution = claimed.pause, settlement.resolution
    if pause is None or pause.state is None or resolution is None:
        raise ValueError("a resume needs an open pause and an answer")
    if PAUSE in settlement.resolutions:
        state = resume(pinned.definition, pause.state, pause.next_steps, resolution)
    else:
        state = resume_inside(pause.state, settlement.resolutions)
    data = resume_data_after(
        as_object(claimed.resume_data),
        *settlement.resolutions.values(),
        number=pause.number,
        at=inputs.now,
    )
    # another program may have paused it before the daemon built its context
    built = build(claimed.payload, inputs.loaded, inputs.now) if claimed.context is None else None
    context = effective(as_object(built or claimed.context), data)
    advanced = advance(pinned.definition, state, context, inputs)
    return plan_advance(
        claimed, settlement, pinned, advanced, data, built, waited=pause.state.branches
    )


def as_object(document: Json) -> dict[str, Json]:
    """Return a document, or an empty one: other programs write NULL, null and lists too."""
    return document if isinstance(document, dict) else {}


def plan_advance(
    claimed: ClaimedExecution,
    settlement: Settlement,
    pinned: PinnedDefinition,
    advanced: Advance,
    data: Json,
    context: Json = None,
    *,
    waited: Sequence[Branch] = (),
) -> Plan:
    """Return the plan of an advance. `waited` are the branches that waited before it."""
    status, result, error, opens = _outcome_columns(
        claimed, pinned, advanced, deciding_approvals(settlement.resolutions.values())
    )
    outcome = advanced.outcome
    return Plan(
        claimed,
        {
            **_outcomes(settlement, claimed, advanced.state),
            **settle_pause_requests(claimed, outcome),
        },
        settlement,
        status,
        result,
        error,
        context,
        resume_data_at_pause(as_object(data)) if opens is not None and data else data,
        resumed=claimed.pause is not None,
        records=advanced.records,
        writes=advanced.writes,
        closed_by=_closed_by(settlement) if claimed.pause is not None else None,
        opens=opens,
        unrequested_approvals=settlement.unrequested_approvals,
        branches_before=tuple(waited) if claimed.pause is None else (),
        withdrawn=_withdrawn_approvals(claimed, advanced, waited),
        pending_effects=PendingEffects(pinned, advanced.state, outcome.effects)
        if isinstance(outcome, Effects)
        else None,
    )


def _outcomes(
    settlement: Settlement, claimed: ClaimedExecution, state: State
) -> Mapping[int, RequestOutcome]:
    """Return the outcomes of requests. Those for branches that keep waiting are parked."""
    awaited = {approval for branch in state.branches for approval in branch.approval_ids}
    if not awaited:
        return settlement.outcomes
    outcomes = dict(settlement.outcomes)
    for request in claimed.requests:
        if request.source_id in awaited and request.kind == "timeout":
            outcomes.pop(request.id, None)  # it has not expired yet
        elif request.source_id in awaited and request.id in outcomes:
            outcomes[request.id] = outcome_if_parked(request)
    return outcomes


def _withdrawn_approvals(
    claimed: ClaimedExecution, advanced: Advance, waited: Sequence[Branch]
) -> tuple[UUID, ...]:
    """Return pending approvals that no branch waits for after the advance."""
    if isinstance(advanced.outcome, Completed | Failed):
        return pending_approvals(claimed)
    pause = claimed.pause
    before = (*waited, *(() if pause is None else pause.branches))
    abandoned = {approval for branch in before for approval in branch.approval_ids}
    abandoned.update(advanced.withdrawn)
    awaited = {approval for branch in advanced.state.branches for approval in branch.approval_ids}
    return tuple(
        each.id
        for each in claimed.approvals
        if each.status == "pending"
        and each.id not in awaited
        and (each.id in abandoned or (pause is not None and not awaited and pause.owns(each)))
    )


def _closed_by(settlement: Settlement) -> str:
    return settlement.moved_by.kind if settlement.moved_by is not None else "approval"


def deciding_approvals(resolutions: Iterable[Resolution]) -> set[UUID]:
    """Return the approvals that decided a branch. They decide no other branch."""
    decisions = (each for each in resolutions if isinstance(each, Decision))
    return {decided.id for decision in decisions for decided in decision.all}


def _outcome_columns(
    claimed: ClaimedExecution, pinned: PinnedDefinition, advanced: Advance, used: Collection[UUID]
) -> tuple[Status, str | None, str | None, PauseToOpen | None]:
    """Return status, result, error and the pause to open."""
    match advanced.outcome:
        case Completed(result):
            return "completed", result, None, None
        case Failed(error):
            return "failed", "failed", error, None
        case Effects():
            return "running", None, None, None
        case Paused() | Incident():
            return "paused", None, None, pause_to_open(claimed, pinned.sha256, advanced, used)


def pause_to_open(
    claimed: ClaimedExecution,
    definition_sha256: str | None,
    advanced: Advance,
    used: Collection[UUID],
) -> PauseToOpen:
    """Return the pause that an advance ends with. `used` are approvals that decided a branch."""
    number = claimed.last_pause + 1
    there = {write.id for write in advanced.writes if isinstance(write, NewApproval)}
    there.update(approval.id for approval in claimed.approvals)
    match advanced.outcome:
        case Paused(reason, step_id, next_steps, wait, approval_ids, branches):
            own = branches or _own_branch(advanced.outcome)
            approval_ids = tuple(approval for branch in own for approval in branch.approval_ids)
            there.difference_update(
                approval_ids, _unrequested(claimed, advanced.state).difference(used)
            )
            return PauseToOpen(
                number, reason, step_id, next_steps, wait, advanced.state,
                definition_sha256, approval_ids=approval_ids, prior_approval_ids=tuple(there),
                branches=own, manual_pause=claimed.manual_pause if reason == "manual" else None,
            )  # fmt: skip
        case Incident() as what:
            # Without a pinned copy, the retry uses the corrected definition.
            copy = None if what.cause == GATE else definition_sha256
            return PauseToOpen(
                number, "incident", advanced.state.step, state=advanced.state,
                definition=copy, incident=what, prior_approval_ids=tuple(there),
            )  # fmt: skip
        case outcome:
            raise ValueError(f"no pause: {outcome}")


def _own_branch(paused: Paused) -> tuple[Branch, ...]:
    """Return the branch of a pause at a top-level step, none for a manual pause."""
    if paused.reason == "manual":
        return ()
    return (
        Branch(
            PAUSE,
            paused.step_id,
            paused.reason,
            paused.next_steps,
            paused.wait,
            paused.approval_ids,
        ),
    )


def _unrequested(claimed: ClaimedExecution, state: State) -> set[UUID]:
    """Return approvals of the ending pause that no step requested.

    They count for a branch that keeps waiting, if there is one.
    """
    pause = claimed.pause
    if pause is None or not state.branches:
        return set()
    return {each.id for each in pause.own_approvals(claimed.approvals)}.difference(
        pause.approval_ids
    )


def plan_manual_pause(claimed: ClaimedExecution, settlement: Settlement) -> Plan:
    """Plan for a manual pause of a paused execution. It keeps its wait."""
    return Plan(claimed, settlement.outcomes, settlement, manual_pause=claimed.manual_pause)


def plan_end_of_manual_pause(
    claimed: ClaimedExecution, settlement: Settlement, manual: Manual
) -> Plan:
    """Plan for the end of a manual pause. The execution waits as before.

    A resume with `force` stays open for the next batch, which also ends the wait.
    """
    request = settlement.moved_by
    outcomes: dict[int, RequestOutcome] = (
        {} if request is None or manual.force else {request.id: "applied"}
    )
    return Plan(claimed, outcomes, settlement, ends_manual_pause=True)


def settle_pause_requests(claimed: ClaimedExecution, outcome: Outcome) -> dict[int, RequestOutcome]:
    """Settle requests to pause if the execution stopped, else leave them open."""
    if not isinstance(outcome, Paused) or outcome.reason != "manual":
        return {}
    return {
        r.id: "duplicate" if number else "applied"
        for number, r in enumerate(claimed.pause_requests)
    }


def plan_retry(
    claimed: ClaimedExecution,
    settlement: Settlement,
    pinned: PinnedDefinition,
    inputs: AdvanceInputs,
) -> Plan | None:
    """Plan for a retry.

    None: it names a step that the definition lacks, or an effect that is not in flight.
    """
    request = settlement.moved_by
    payload = request.payload if request is not None and isinstance(request.payload, dict) else {}
    state = _retry_state(claimed, pinned, payload, inputs)
    if state is None:
        return None
    begun = claimed.pause is not None and claimed.pause.state is not None
    if not begun and "from_step" not in payload:
        return plan_start(claimed, settlement, pinned, inputs)
    if claimed.context is None:
        return plan_after_loading(claimed, settlement, pinned, state, inputs)
    context = effective(as_object(claimed.context), as_object(claimed.resume_data))
    if "skip_effect" not in payload:
        advanced = advance(pinned.definition, state, context, inputs)
        if "from_step" in payload:
            advanced = advanced._replace(
                withdrawn=advanced.withdrawn + _approvals_under_way(claimed)
            )
        return plan_advance(claimed, settlement, pinned, advanced, claimed.resume_data)
    waits_for = advance(pinned.definition, state, context, inputs).outcome
    effect = _effect_with_key(waits_for, payload["skip_effect"])
    if effect is None:
        return None
    skipped = _skipped_result(request)
    advanced = advance(pinned.definition, state, context, inputs, {effect.path: skipped})
    plan = plan_advance(claimed, settlement, pinned, advanced, claimed.resume_data)
    return replace(plan, results={effect.key: skipped})


def _retry_state(
    claimed: ClaimedExecution,
    pinned: PinnedDefinition,
    payload: Mapping[str, Json],
    inputs: AdvanceInputs,
) -> State | None:
    """Return the state to continue from, with new step budgets. None if the step is unknown."""
    pause = claimed.pause
    stood = pause.state if pause is not None else None
    if stood is None:
        stood = begin(pinned.definition, pinned.definition.timeout or inputs.default_timeout)
    if "from_step" not in payload:
        return reset_step_counts(stood)
    step = payload["from_step"]
    if not isinstance(step, str) or step not in pinned.definition.positions:
        return None
    return State(
        step=step, result=stood.result, time_left=stood.time_left, allowed_time=stood.allowed_time
    )


def _approvals_under_way(claimed: ClaimedExecution) -> tuple[UUID, ...]:
    """Return the approvals of the step under way, which a retry leaves behind."""
    state = claimed.pause.state if claimed.pause is not None else None
    under_way = () if state is None else state.progress.values()
    return tuple(UUID(each) for progress in under_way for each in progress.approval_ids)


def _effect_with_key(outcome: object, key: Json) -> Effect | None:
    effects = outcome.effects if isinstance(outcome, Effects) else ()
    return next((effect for effect in effects if effect.key == key), None)


def _skipped_result(request: ResumeRequest | None) -> EffectResult:
    """Return the result of an effect that a person skipped."""
    actor, reason = (request.actor, request.reason) if request is not None else (None, None)
    return EffectResult(data={"skipped": True, "skipped_by": actor, "skip_reason": reason})
