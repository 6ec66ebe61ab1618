"""The retry of an incident: from where the flow stood, from another step, or without an effect."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from resumer_daemon.engine.advance import begin
from resumer_daemon.engine.chunks import advance_through as advance
from resumer_daemon.engine.outcome import Effect, EffectResult, Effects
from resumer_daemon.engine.plan import Plan, Program
from resumer_daemon.engine.planning import as_object, load_first, planned, start
from resumer_daemon.engine.requests import Claimed, Request
from resumer_daemon.engine.resume import rested
from resumer_daemon.engine.settle import Settlement
from resumer_daemon.engine.state import State
from resumer_daemon.engine.world import World
from resumer_daemon.workflow.context import effective
from resumer_daemon.workflow.values import Json


def retry(claimed: Claimed, settlement: Settlement, program: Program, world: World) -> Plan | None:
    """Plan for a retry as its request has it.

    None: it names a step that the definition has not, or an effect that the flow does not wait for.
    """
    request = settlement.moved_by
    asked = request.payload if request is not None and isinstance(request.payload, dict) else {}
    state = _state(claimed, program, asked, world)
    if state is None:
        return None
    begun = claimed.pause is not None and claimed.pause.state is not None
    if not begun and "from_step" not in asked:
        return start(claimed, settlement, program, world)
    if claimed.context is None:
        return load_first(claimed, settlement, program, state, world)
    context = effective(as_object(claimed.context), as_object(claimed.resume_data))
    if "skip_effect" not in asked:
        advanced = advance(program.definition, state, context, world)
        if "from_step" in asked:
            advanced = advanced._replace(withdrawn=advanced.withdrawn + _left_behind(claimed))
        return planned(claimed, settlement, program, advanced, claimed.resume_data)
    waits_for = advance(program.definition, state, context, world).outcome
    effect = _named(waits_for, asked["skip_effect"])
    if effect is None:
        return None
    skipped = _skipped(request)
    advanced = advance(program.definition, state, context, world, {effect.path: skipped})
    plan = planned(claimed, settlement, program, advanced, claimed.resume_data)
    return replace(plan, results={effect.key: skipped})


def _state(
    claimed: Claimed, program: Program, asked: Mapping[str, Json], world: World
) -> State | None:
    """Return where the flow goes on; a person has looked, so the budgets of steps begin anew."""
    pause = claimed.pause
    stood = pause.state if pause is not None else None
    if stood is None:
        stood = begin(program.definition, program.definition.timeout or world.default_timeout)
    if "from_step" not in asked:
        return rested(stood)
    step = asked["from_step"]
    if not isinstance(step, str) or step not in program.definition.positions:
        return None
    return State(
        step=step, result=stood.result, time_left=stood.time_left, allowed_time=stood.allowed_time
    )


def _left_behind(claimed: Claimed) -> tuple[UUID, ...]:
    """Return the approvals of the step under way, which the flow does not come back to."""
    state = claimed.pause.state if claimed.pause is not None else None
    under_way = () if state is None else state.done.values()
    return tuple(UUID(asked) for progress in under_way for asked in progress.asked)


def _named(outcome: object, key: Json) -> Effect | None:
    effects = outcome.effects if isinstance(outcome, Effects) else ()
    return next((effect for effect in effects if effect.key == key), None)


def _skipped(request: Request | None) -> EffectResult:
    """Return what stands for the answer of an effect that a person has taken out."""
    said = (request.actor, request.reason) if request is not None else (None, None)
    return EffectResult(data={"skipped": True, "skipped_by": said[0], "skip_reason": said[1]})
