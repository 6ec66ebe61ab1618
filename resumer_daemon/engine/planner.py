"""The entry points of the engine: plan a claimed execution, or a running one."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from resumer_daemon.engine import moves
from resumer_daemon.engine.adoption import GRACE, SECOND_LOOK, adopt_pause
from resumer_daemon.engine.advance import advance
from resumer_daemon.engine.inputs import (
    AdvanceInputs,
    ClaimedExecution,
    Manual,
    Pause,
)
from resumer_daemon.engine.moves import (
    as_object,
    pending_approvals,
    plan_advance,
    plan_after_loading,
    plan_end_of_manual_pause,
    plan_manual_pause,
    plan_retry,
)
from resumer_daemon.engine.outcome import EffectResult, Incident
from resumer_daemon.engine.parking import outcome_after_end
from resumer_daemon.engine.plan import PauseToOpen, PendingEffects, PinnedDefinition, Plan
from resumer_daemon.engine.preload import loaded_documents
from resumer_daemon.engine.resume import resume_data_after, resume_inside
from resumer_daemon.engine.settlement import Settlement, settle, settle_beside
from resumer_daemon.engine.state import State
from resumer_daemon.engine.vocabulary import ENDED_STATUSES, RequestOutcome
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.values import Json


class InvalidDefinition(Frozen):
    """A definition that cannot run, and the reason."""

    why: str


Found: TypeAlias = PinnedDefinition | InvalidDefinition
UnreadableCause: TypeAlias = Literal["row_unreadable", "too_large"]

REMEDIES: Mapping[UnreadableCause, str] = {
    "row_unreadable": "correct the row's documents (context, resume_data, trigger_payload),"
    " then retry",
    "too_large": "make the document smaller, or raise RESUMER_DOCUMENT_BYTES, then retry",
}


class Definitions(Frozen):
    """The definitions of a batch: pinned copies by SHA-256, current ones by workflow."""

    pinned: Mapping[str, Found]
    current: Mapping[UUID, Found]

    def of_pause(self, pause: Pause) -> Found:
        """Return the copy that a pause was opened with."""
        missing = InvalidDefinition("the copy of the definition that it paused with is gone")
        return self.pinned.get(pause.definition or "", missing)

    def of_workflow(self, workflow: UUID | None) -> Found:
        """Return the current definition of a workflow."""
        found = self.current.get(workflow) if workflow is not None else None
        return found or InvalidDefinition("workflow not found")


def plan_claimed(
    claimed: ClaimedExecution,
    definitions: Definitions,
    inputs: AdvanceInputs,
    last_step: str | None = None,
) -> Plan:
    """Return the plan of a claimed execution."""
    if claimed.unchecked_writes:
        return moves.plan_undo(claimed)
    adopted = (
        _plan_adoption(claimed, definitions, inputs, last_step)
        if claimed.may_need_adoption
        else None
    )
    if adopted is not None:
        return adopted
    settlement = settle(claimed)
    if settlement.cancelled:
        return moves.plan_cancel(claimed, settlement)
    if settlement.pauses:
        return plan_manual_pause(claimed, settlement)
    if settlement.starts:
        return _plan_start(claimed, settlement, definitions, inputs)
    if settlement.resolution is None or claimed.pause is None:
        return moves.plan_unmoved(claimed, settlement)
    if claimed.pause.position_unknown:
        return _plan_locating(claimed, settlement, definitions, last_step)
    return _plan_end_of_pause(claimed, claimed.pause, settlement, definitions, inputs)


def _plan_end_of_pause(
    claimed: ClaimedExecution,
    pause: Pause,
    settlement: Settlement,
    definitions: Definitions,
    inputs: AdvanceInputs,
) -> Plan:
    if pause.reason == "incident":
        return _plan_retry(claimed, pause, settlement, definitions, inputs)
    if pause.reason_before_manual_pause is not None and isinstance(settlement.resolution, Manual):
        return plan_end_of_manual_pause(claimed, settlement, settlement.resolution)
    found = definitions.of_pause(pause)
    if isinstance(found, InvalidDefinition):
        return moves.plan_incident(claimed, settlement, _unreadable_definition(found))
    return moves.plan_resume(claimed, settlement, found, inputs)


def plan_internal_error(claimed: ClaimedExecution, why: str) -> Plan:
    """Return the plan of an execution for which the engine raised an error."""
    return moves.plan_incident(
        claimed, None, Incident("internal_error", why, "report it, then retry")
    )


def plan_unreadable(
    claimed: ClaimedExecution, why: str, cause: UnreadableCause = "row_unreadable"
) -> Plan:
    """Return the plan of an execution with a document that is invalid or too large.

    Only an execution that would advance becomes an incident. Ended and running executions stay as
    they are, and a cancel needs no document.
    """
    if claimed.unchecked_writes:
        return moves.plan_undo(claimed)
    settlement = settle(claimed)
    if settlement.cancelled:
        return moves.plan_cancel(claimed, settlement)
    if claimed.status not in ("pending", "paused") and not claimed.may_need_adoption:
        return moves.plan_unmoved(claimed, settlement)
    return moves.plan_incident(claimed, None, Incident(cause, why, REMEDIES[cause]))


def _plan_start(
    claimed: ClaimedExecution,
    settlement: Settlement,
    definitions: Definitions,
    inputs: AdvanceInputs,
) -> Plan:
    found = definitions.of_workflow(claimed.workflow)
    if isinstance(found, InvalidDefinition):
        return moves.plan_failed_start(claimed, settlement, found.why)
    return moves.plan_start(claimed, settlement, found, inputs)


def _plan_retry(
    claimed: ClaimedExecution,
    pause: Pause,
    settlement: Settlement,
    definitions: Definitions,
    inputs: AdvanceInputs,
) -> Plan:
    """Plan a retry of an incident: restore the pause beneath it, or continue the flow."""
    if pause.reason_before_incident is not None:
        return Plan(claimed, _only_mover(settlement, "applied"), settlement, ends_incident=True)
    found = (
        definitions.of_pause(pause)
        if pause.definition
        else definitions.of_workflow(claimed.workflow)
    )
    if isinstance(found, InvalidDefinition):
        return Plan(claimed, _only_mover(settlement, "failed"))
    plan = plan_retry(claimed, settlement, found, inputs)
    return plan or Plan(claimed, _only_mover(settlement, "failed"))


def _only_mover(settlement: Settlement, outcome: RequestOutcome) -> Mapping[int, RequestOutcome]:
    """Settle only the request that moved the execution. The others are settled later."""
    return {} if settlement.moved_by is None else {settlement.moved_by.id: outcome}


def _plan_adoption(
    claimed: ClaimedExecution,
    definitions: Definitions,
    inputs: AdvanceInputs,
    last_step: str | None,
) -> Plan | None:
    """Plan to take over a pause of another program. The next batch settles its requests.

    None: the service blocked it for good. If the trigger paused it, the plan restores its end.
    """
    found = definitions.of_workflow(claimed.workflow)
    if isinstance(found, InvalidDefinition):
        plain = claimed.blocked_by_service and not claimed.approvals
        return None if plain else moves.plan_incident(claimed, None, _unreadable_definition(found))
    opens = adopt_pause(claimed, found, last_step, claimed.used_approval_ids)
    if isinstance(opens, Incident):
        again = [r.due for r in claimed.requests if r.kind == "adopt" and r.decision == SECOND_LOOK]
        if any(again):
            return moves.plan_incident(claimed, None, opens)
        return moves.plan_second_look(claimed, None if again else inputs.now + GRACE)
    if opens is None:
        return moves.plan_blocked_end(claimed) if claimed.status == "paused" else None
    return moves.plan_adoption(claimed, opens)


def _plan_locating(
    claimed: ClaimedExecution,
    settlement: Settlement,
    definitions: Definitions,
    last_step: str | None,
) -> Plan:
    """Plan to find the position of another program's pause again, after a retry."""
    found = definitions.of_workflow(claimed.workflow)
    opens = (
        None
        if isinstance(found, InvalidDefinition)
        else adopt_pause(claimed, found, last_step, claimed.used_approval_ids)
    )
    if not isinstance(opens, PauseToOpen):
        return Plan(claimed, _only_mover(settlement, "failed"))
    outcomes = _only_mover(settlement, "applied")
    return replace(moves.plan_adoption(claimed, opens), outcomes=outcomes, closed_by="retry")


def _unreadable_definition(found: InvalidDefinition) -> Incident:
    return Incident(
        "definition_unreadable",
        found.why,
        "correct the definition in resumer.definitions, then retry",
    )


def plan_after_effects(
    claimed: ClaimedExecution,
    pending: PendingEffects,
    results: Mapping[str, EffectResult],
    inputs: AdvanceInputs,
) -> Plan:
    """Plan to continue after effects have results. Branches beside them may end too."""
    pinned = pending.pinned
    if claimed.context is None:
        state, inputs = _with_loaded(pending.state, results, inputs), replace(inputs, elapsed=0.0)
        plan = plan_after_loading(claimed, Settlement({}), pinned, state, inputs)
    else:
        plan = _plan_advance(claimed, pending, results, inputs)
    return replace(plan, results=_results_by_key(pending, results))


def plan_beside_effects(
    claimed: ClaimedExecution, pending: PendingEffects, inputs: AdvanceInputs
) -> Plan | None:
    """Plan for branches that end while effects are in flight, None if none does."""
    settlement = settle_beside(claimed, pending.state, inputs.now)
    if settlement.resolutions:
        return _plan_advance(claimed, pending, {}, inputs)
    return Plan(claimed, {}, settlement, overdue=settlement.overdue) if settlement.overdue else None


def _plan_advance(
    claimed: ClaimedExecution,
    pending: PendingEffects,
    results: Mapping[str, EffectResult],
    inputs: AdvanceInputs,
) -> Plan:
    """Plan to advance with results of effects and resolutions of branches."""
    pinned, state, data = pending.pinned, pending.state, as_object(claimed.resume_data)
    settlement = settle_beside(claimed, state, inputs.now)
    if settlement.resolutions:
        state = resume_inside(state, settlement.resolutions)
        resolutions = settlement.resolutions.values()
        data = resume_data_after(data, *resolutions, number=claimed.last_pause, at=inputs.now)
    context = effective(as_object(claimed.context), data)
    advanced = advance(pinned.definition, state, context, inputs, results)
    after = data if settlement.resolutions else claimed.resume_data
    waited = pending.state.branches
    plan = plan_advance(claimed, settlement, pinned, advanced, after, waited=waited)
    return replace(plan, overdue=settlement.overdue, resumed=bool(settlement.resolutions))


def plan_unreadable_after_effects(
    claimed: ClaimedExecution,
    pending: PendingEffects,
    results: Mapping[str, EffectResult],
    why: str,
    cause: UnreadableCause = "row_unreadable",
) -> Plan:
    """Plan for a row that became unreadable while its effects were in flight."""
    came = _results_by_key(pending, results)
    what = Incident(
        cause,
        f"{why}; already sent: {', '.join(came)}",
        "correct the row, then retry (sends again, under the same keys) or cancel",
    )
    return replace(
        plan_running_incident(claimed, pending.state, pending.pinned.sha256, what), results=came
    )


def _results_by_key(
    pending: PendingEffects, results: Mapping[str, EffectResult]
) -> dict[str, EffectResult]:
    keys = {effect.path: effect.key for effect in pending.effects}
    return {keys[path]: result for path, result in results.items()}


def _with_loaded(state: State, results: Mapping[str, EffectResult], inputs: AdvanceInputs) -> State:
    """Return a state with the loaded documents, less the time that loading took."""
    left = None if state.time_left is None else max(0.0, state.time_left - inputs.elapsed)
    return replace(state, loaded={**state.loaded, **loaded_documents(results)}, time_left=left)


def plan_ended_elsewhere(claimed: ClaimedExecution) -> Plan | None:
    """Plan for an execution that another program ended while the daemon ran it.

    None: it has not ended.
    """
    if claimed.status not in ENDED_STATUSES:
        return None
    outcomes = {r.id: outcome_after_end(r) for r in claimed.requests}
    return Plan(claimed, outcomes, withdrawn=pending_approvals(claimed))


def plan_ambiguous_effects(
    claimed: ClaimedExecution, pending: PendingEffects, keys: Sequence[str]
) -> Plan:
    """Plan for effects that may have been sent and must not be sent twice."""
    what = Incident(
        "ambiguous_effect",
        f"it is unknown whether these were sent: {', '.join(keys)}",
        "ask the receiver by Idempotency-Key, then retry (sends again), retry with skip_effect"
        " (assumes that it succeeded) or cancel",
    )
    return plan_running_incident(claimed, pending.state, pending.pinned.sha256, what)


def plan_running_incident(
    claimed: ClaimedExecution, state: State, definition: str, what: Incident
) -> Plan:
    """Plan for an incident of a running execution. A retry continues from `state`."""
    opens = PauseToOpen(
        claimed.last_pause + 1, "incident", state.step, state=state, definition=definition,
        incident=what, prior_approval_ids=tuple(approval.id for approval in claimed.approvals),
    )  # fmt: skip
    return Plan(claimed, {}, status="paused", opens=opens)


def only_repeats_effects(plan: Plan, state: Json) -> bool:
    """Tell whether a plan without results only returns the effects that the state waits for.

    Otherwise there is something to record, because the flow stopped before its next step.
    """
    if (
        plan.records
        or plan.writes
        or plan.outcomes
        or plan.unrequested_approvals
        or plan.pending_effects is None
    ):
        return False
    if plan.resumed or plan.overdue or plan.withdrawn:
        return False
    if plan.claimed.context is None:
        return True
    pending = [each.pending for each in State.from_json(state).progress.values()]
    known = {each["key"] for each in pending if each is not None}
    return bool(known) and all(effect.key in known for effect in plan.pending_effects.effects)
