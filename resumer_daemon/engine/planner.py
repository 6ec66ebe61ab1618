"""Plan a claimed or a running execution: the entry points of the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias
from uuid import UUID

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
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.values import Json


@frozen
class InvalidDefinition:
    """A definition that cannot be run, and why."""

    why: str


Found: TypeAlias = PinnedDefinition | InvalidDefinition
UnreadableCause: TypeAlias = Literal["row_unreadable", "too_large"]

REMEDIES: Mapping[UnreadableCause, str] = {
    "row_unreadable": "correct the row's documents (context, resume_data, trigger_payload),"
    " then retry",
    "too_large": "make the document smaller, or raise RESUMER_DOCUMENT_BYTES, then retry",
}


@frozen
class Definitions:
    """The definitions that a batch needs: kept copies by fingerprint, current ones by id."""

    pinned: Mapping[str, Found]
    current: Mapping[UUID, Found]

    def of_pause(self, pause: Pause) -> Found:
        """Return the copy that a pause runs on."""
        missing = InvalidDefinition("the copy of the definition that it paused with is gone")
        return self.pinned.get(pause.definition or "", missing)

    def of_workflow(self, workflow: UUID | None) -> Found:
        """Return a workflow's definition as it is now."""
        found = self.current.get(workflow) if workflow is not None else None
        return found or InvalidDefinition("workflow not found")


def plan_claimed(
    claimed: ClaimedExecution,
    definitions: Definitions,
    inputs: AdvanceInputs,
    last_step: str | None = None,
) -> Plan:
    """Return what is to be written of an execution, now that it is claimed and read."""
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
    """Return the plan for an execution that our own code could not answer."""
    return moves.plan_incident(
        claimed, None, Incident("internal_error", why, "report it, then retry")
    )


def plan_unreadable(
    claimed: ClaimedExecution, why: str, cause: UnreadableCause = "row_unreadable"
) -> Plan:
    """Return the plan for an execution of which something cannot be parsed, or is too large.

    Only what would advance stops for a person: an end stays one, what runs is let run, and a cancel
    needs no document.
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
    """Continue after an incident: what lay under it is back, or the flow goes on where it stood."""
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
    """Settle just the request that moved it; the others are looked at again, or stay held."""
    return {} if settlement.moved_by is None else {settlement.moved_by.id: outcome}


def _plan_adoption(
    claimed: ClaimedExecution,
    definitions: Definitions,
    inputs: AdvanceInputs,
    last_step: str | None,
) -> Plan | None:
    """Give another program's pause its record; the next look, which it asks for, settles.

    None: the service has blocked it plainly, and it stays an end. Where our trigger made a pause of
    that end, it becomes one again.
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
    """Look again where another program's pause stands, now that a person has mended it."""
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
    """Plan for what follows when effects have results, and what branches beside them wait for."""
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
    """Plan for what branches wait for while effects are under way; None: nothing has come."""
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
    """Plan for the way on from where effects are under way, and branches may have their answers."""
    pinned, state, data = pending.pinned, pending.state, as_object(claimed.resume_data)
    settlement = settle_beside(claimed, state, inputs.now)
    if settlement.resolutions:
        state = resume_inside(state, settlement.resolutions)
        answered = settlement.resolutions.values()
        data = resume_data_after(data, *answered, number=claimed.last_pause, at=inputs.now)
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
    """Plan for a row that nobody can read any more when its effects come back: those are told."""
    came = _results_by_key(pending, results)
    what = Incident(
        cause,
        f"{why}; sent already: {', '.join(came)}",
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
    """Return a state that loads with what came back; its time has gone on meanwhile."""
    left = None if state.time_left is None else max(0.0, state.time_left - inputs.elapsed)
    return replace(state, loaded={**state.loaded, **loaded_documents(results)}, time_left=left)


def plan_ended_elsewhere(claimed: ClaimedExecution) -> Plan | None:
    """Plan for what an execution leaves that another program ended while it ran here.

    None: it has not ended, but is paused.
    """
    if claimed.status not in ENDED_STATUSES:
        return None
    outcomes = {r.id: outcome_after_end(r) for r in claimed.requests}
    return Plan(claimed, outcomes, withdrawn=pending_approvals(claimed))


def plan_ambiguous_effects(
    claimed: ClaimedExecution, pending: PendingEffects, keys: Sequence[str]
) -> Plan:
    """Plan for effects that may have happened and may not happen twice: a person knows, or asks."""
    what = Incident(
        "ambiguous_effect",
        f"nobody knows whether these happened: {', '.join(keys)}",
        "ask the receiver by Idempotency-Key; then retry (sends again), retry with skip_effect"
        " (takes it as done) or cancel",
    )
    return plan_running_incident(claimed, pending.state, pending.pinned.sha256, what)


def plan_running_incident(
    claimed: ClaimedExecution, state: State, definition: str, what: Incident
) -> Plan:
    """Plan for an incident of an execution that runs: a retry goes on from where it stands."""
    opens = PauseToOpen(
        claimed.last_pause + 1, "incident", state.step, state=state, definition=definition,
        incident=what, prior_approval_ids=tuple(approval.id for approval in claimed.approvals),
    )  # fmt: skip
    return Plan(claimed, {}, status="paused", opens=opens)


def only_repeats_effects(plan: Plan, state: Json) -> bool:
    """Tell whether a plan, made without results, only hands over again what the state waits for.

    Else there is something to record: the flow let others move before its next step.
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
