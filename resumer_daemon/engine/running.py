"""Plans for executions that run: their effects came back, or a person has to look."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from resumer_daemon.engine.chunks import advance_through as advance
from resumer_daemon.engine.loading import answers
from resumer_daemon.engine.outcome import EffectResult, Incident
from resumer_daemon.engine.parking import after_the_end
from resumer_daemon.engine.plan import Launch, NewPause, Plan
from resumer_daemon.engine.planning import as_object, load_first, pending, planned
from resumer_daemon.engine.requests import ENDED, Claimed
from resumer_daemon.engine.respond import UnreadableCause
from resumer_daemon.engine.resume import resume_data_after, resume_inside
from resumer_daemon.engine.settle import Settlement, settle_beside
from resumer_daemon.engine.state import State
from resumer_daemon.engine.world import World
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.values import Json


def proceed(
    claimed: Claimed, launch: Launch, results: Mapping[str, EffectResult], world: World
) -> Plan:
    """Plan for what follows when effects have results, and what branches beside them wait for."""
    program = launch.program
    if claimed.context is None:
        state, world = _told(launch.state, results, world), replace(world, elapsed=0.0)
        plan = load_first(claimed, Settlement({}), program, state, world)
    else:
        plan = _advanced(claimed, launch, results, world)
    return replace(plan, results=_by_key(launch, results))


def hear(claimed: Claimed, launch: Launch, world: World) -> Plan | None:
    """Plan for what branches wait for while effects are under way; None: nothing has come."""
    settlement = settle_beside(claimed, launch.state, world.now)
    if settlement.answers:
        return _advanced(claimed, launch, {}, world)
    return Plan(claimed, {}, settlement, expire=settlement.expire) if settlement.expire else None


def _advanced(
    claimed: Claimed, launch: Launch, results: Mapping[str, EffectResult], world: World
) -> Plan:
    """Plan for the way on from where effects are under way, and branches may have their answers."""
    program, state, data = launch.program, launch.state, as_object(claimed.resume_data)
    settlement = settle_beside(claimed, state, world.now)
    if settlement.answers:
        state = resume_inside(state, settlement.answers)
        answered = settlement.answers.values()
        data = resume_data_after(data, *answered, number=claimed.last_pause, at=world.now)
    context = effective(as_object(claimed.context), data)
    advanced = advance(program.definition, state, context, world, results)
    plan = planned(
        claimed, settlement, program, advanced, data if settlement.answers else claimed.resume_data,
        waited=launch.state.branches,
    )  # fmt: skip
    return replace(plan, expire=settlement.expire, resumed=bool(settlement.answers))


def unreadable_row(
    claimed: Claimed,
    launch: Launch,
    results: Mapping[str, EffectResult],
    why: str,
    cause: UnreadableCause = "row_unreadable",
) -> Plan:
    """Plan for a row that nobody can read any more when its effects come back: those are told."""
    came = _by_key(launch, results)
    what = Incident(
        cause,
        f"{why}; sent already: {', '.join(came)}",
        "correct the row, then retry (sends again, under the same keys) or cancel",
    )
    return replace(stop(claimed, launch.state, launch.program.sha256, what), results=came)


def _by_key(launch: Launch, results: Mapping[str, EffectResult]) -> dict[str, EffectResult]:
    keys = {effect.path: effect.key for effect in launch.effects}
    return {keys[path]: result for path, result in results.items()}


def _told(state: State, results: Mapping[str, EffectResult], world: World) -> State:
    """Return a state that loads with what came back; its time has gone on meanwhile."""
    left = None if state.time_left is None else max(0.0, state.time_left - world.elapsed)
    return replace(state, loads={**state.loads, **answers(results)}, time_left=left)


def ended_elsewhere(claimed: Claimed) -> Plan | None:
    """Plan for what an execution leaves that another program ended while it ran here.

    None: it has not ended, but is paused.
    """
    if claimed.status not in ENDED:
        return None
    outcomes = {r.id: after_the_end(r) for r in claimed.requests}
    return Plan(claimed, outcomes, withdraws=pending(claimed))


def doubtful(claimed: Claimed, launch: Launch, keys: Sequence[str]) -> Plan:
    """Plan for effects that may have happened and may not happen twice: a person knows, or asks."""
    what = Incident(
        "ambiguous_effect",
        f"nobody knows whether these happened: {', '.join(keys)}",
        "ask the receiver by Idempotency-Key; then retry (sends again), retry with skip_effect"
        " (takes it as done) or cancel",
    )
    return stop(claimed, launch.state, launch.program.sha256, what)


def stop(claimed: Claimed, state: State, definition: str, what: Incident) -> Plan:
    """Plan for an incident of an execution that runs: a retry goes on from where it stands."""
    opens = NewPause(
        claimed.last_pause + 1, "incident", state.step, state=state, definition=definition,
        incident=what, earlier=tuple(approval.id for approval in claimed.approvals),
    )  # fmt: skip
    return Plan(claimed, {}, status="paused", opens=opens)


def repeats(plan: Plan, state: Json) -> bool:
    """Tell whether a plan, made without results, only hands over again what the state waits for.

    Else there is something to record: the flow let others move before its next step.
    """
    if plan.records or plan.writes or plan.outcomes or plan.unasked or plan.launch is None:
        return False
    if plan.resumed or plan.expire or plan.withdraws:
        return False
    if plan.claimed.context is None:
        return True
    pending = [each.pending for each in State.from_json(state).done.values()]
    known = {each["key"] for each in pending if each is not None}
    return bool(known) and all(effect.key in known for effect in plan.launch.effects)
