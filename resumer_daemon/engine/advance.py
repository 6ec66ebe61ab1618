"""Advance an execution: run its definition from where it stands to the next durable point.

A long `foreach` is run in chunks, because nothing between them waits. Where an operator has put
the workflow on hold, a flow that waits for nothing stops before its next step, as a manual pause.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import assert_never

from resumer_daemon.engine.identifiers import segment
from resumer_daemon.engine.inputs import AdvanceInputs
from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    EffectResult,
    Effects,
    Failed,
    Incident,
    Outcome,
    Paused,
    StepRecord,
)
from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.state import (
    AWAITS,
    PAUSE,
    Awaits,
    NextSteps,
    Result,
    State,
    StepProgress,
    WaitCondition,
)
from resumer_daemon.engine.step_result import StepFailed, StepIncomplete, StepPassed, failure
from resumer_daemon.engine.steps.containers import over_budget, under_way
from resumer_daemon.engine.steps.dispatch import run_step
from resumer_daemon.workflow.definition import Definition, Step
from resumer_daemon.workflow.values import Json


class Pointer:
    """Where the top level stands during one advance."""

    def __init__(self, state: State) -> None:
        self.step = state.step
        self.visits = dict(state.visits)
        self.taken = state.taken
        self.result: Result = state.result
        self.reason = state.reason
        self.awaits: Awaits | None = None

    def enter(self, step_id: str) -> None:
        """Count a step that is run now."""
        self.visits[step_id] = self.visits.get(step_id, 0) + 1
        self.taken += 1

    def follow(self, passed: StepPassed) -> None:
        """Go the way of a step that is done; a deciding action sets the result."""
        self.step = passed.next_step
        if passed.result is not None:
            self.result = passed.result
            self.reason = passed.reason


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_RESULTS: Mapping[str, EffectResult] = {}


def begin(definition: Definition, time_left: float | None) -> State:
    """Return where an execution stands before its first step, with what time it has (None: any)."""
    first = definition.steps[0].id if definition.steps else None
    return State(first, time_left=time_left, allowed_time=time_left)


def advance(
    definition: Definition,
    state: State,
    context: Mapping[str, Json],
    world: AdvanceInputs,
    results: Mapping[str, EffectResult] = _NO_RESULTS,
) -> Advance:
    """Run to the next durable point: a pause, an effect, an end. Never raises, whatever it reads.

    `context` is the effective one; `results` are of the effects that the state waits for, by path.
    Effects that are under way and have no result yet are handed over again as they were.
    """
    walk = Run(state, world, results, run_step)
    pointer = Pointer(state)
    outcome = _go(definition, pointer, context, walk)
    records = walk.records
    if len(records) > 1:
        records.sort(key=_began)
    return Advance(
        _state(pointer, walk), outcome, tuple(records), tuple(walk.writes),
        tuple(walk.withdrawn), walk.written,
    )  # fmt: skip


def _go(
    definition: Definition, pointer: Pointer, context: Mapping[str, Json], walk: Run
) -> Outcome:
    while pointer.step is not None:
        step = definition.step(pointer.step)
        if step is None:
            return Failed(f"step not found: {pointer.step}")
        path = segment(step.id)
        stopped = _before(step, path, pointer, walk)
        if stopped is not None:
            return stopped
        following = definition.following(step.id)
        place = Scope(path, pointer.visits.get(step.id, 1), context, following, limit=walk.limit)
        end = run_step(step, place, walk)
        match end:
            case StepPassed():
                pointer.follow(end)
            case StepFailed():
                if step.on_error is None:
                    walk.done.clear()
                    return Failed(end.error)
                pointer.step = step.on_error
            case StepIncomplete():
                return _stopped(pointer, walk)
            case _:
                assert_never(end)
        walk.done.clear()
    return Completed(pointer.result, pointer.reason)


def _before(step: Step, path: str, pointer: Pointer, walk: Run) -> Outcome | None:
    """Enter a step that is not under way yet, unless something speaks against it."""
    if walk.limit is not None and walk.limit.at <= walk.clock:
        return _time_is_up(step, path, walk, walk.limit.error())
    if path not in walk.done:
        if walk.world.stop_before_next_step or walk.spent():
            return Effects(())
        if pointer.taken >= walk.world.limits.step_budget:
            return over_budget(walk, "the execution")
        pointer.enter(step.id)
    return None


def _stopped(pointer: Pointer, walk: Run) -> Outcome:
    """Return what keeps the step under way from its end."""
    if walk.incident is not None:
        return walk.incident
    if walk.effects or walk.yielded:
        return Effects(walk.effects_in_order())
    if walk.branches:
        return _pause(pointer, walk)
    return Incident(
        "engine", f"step {pointer.step} does not end and waits for nothing", "report this"
    )


def _pause(pointer: Pointer, walk: Run) -> Paused:
    """Pause at a step, or at all the places inside of it that wait."""
    branches = sorted(walk.branches.values(), key=lambda branch: branch.since or _EPOCH)
    longest = branches[0]
    inside = longest.path != PAUSE
    if not inside:
        pointer.awaits = AWAITS[longest.reason]
        path = segment(longest.step_id or "")
        progress = walk.progress(path)
        walk.done = {path: StepProgress(attempt=progress.attempt, clock=walk.clock)}
    return Paused(
        longest.reason,
        longest.step_id,
        longest.next_steps,
        longest.wait,
        longest.approval_ids,
        tuple(branches) if inside else (),
    )


def _time_is_up(step: Step, path: str, walk: Run, error: str) -> Failed:
    """End the execution, and the step under way with it: its own ways are not asked."""
    if path in walk.done:
        progress = walk.progress(path)
        place = Scope(path, 1, {})
        walk.record(step, place, progress, failure(step, progress.results), error)
        for member, at in under_way(step, path, walk):
            progress = walk.progress(at)
            walk.record(
                member, Scope(at, 1, {}), progress, failure(member, progress.results), error
            )
    walk.done.clear()
    return Failed(error)


def _state(pointer: Pointer, walk: Run) -> State:
    limit = walk.limit
    return State(
        pointer.step,
        pointer.visits,
        pointer.taken,
        walk.inside_before + walk.steps_inside,
        pointer.result,
        pointer.reason,
        walk.done,
        pointer.awaits,
        None if limit is None else max(0.0, limit.at - walk.clock),
        None if limit is None else limit.allowed,
        walk.clock if walk.done else 0.0,
        moment=_moment(pointer, walk),
    )


def _moment(pointer: Pointer, walk: Run) -> datetime | None:
    """Return when the last step began, where the next advance has no other way to know.

    The record of a pause has its time, unless the clock went back before it. States that stand at
    the same step are equal for a cache of theirs.
    """
    known = pointer.awaits is not None and not walk.clock_went_back
    return None if known or not walk.done else walk.reached


def _began(record: StepRecord) -> datetime:
    return record.began or _EPOCH


CHUNKS = 100
NO_RESULTS: Mapping[str, EffectResult] = MappingProxyType({})


def advance_through(
    definition: Definition,
    state: State,
    context: Mapping[str, Json],
    world: AdvanceInputs,
    results: Mapping[str, EffectResult] = NO_RESULTS,
) -> Advance:
    """Advance until there is something to wait for, or until others should move first.

    What each chunk recorded is put together. Where others should move the outcome is `Effects(())`:
    record it, and advance again.
    """
    advanced = advance(definition, state, context, world, results)
    for _ in range(CHUNKS):
        if advanced.outcome != Effects(()):
            return advanced
        if world.stop_before_next_step:
            return advanced._replace(
                outcome=Paused("manual", advanced.state.step, NextSteps(), WaitCondition())
            )
        if world.out_of_time() or advanced.characters >= world.limits.characters:
            return advanced
        more = advance(definition, advanced.state, context, world)
        advanced = more._replace(
            records=advanced.records + more.records,
            writes=advanced.writes + more.writes,
            withdrawn=advanced.withdrawn + more.withdrawn,
            characters=advanced.characters + more.characters,
        )
    limit = CHUNKS * world.limits.chunk
    detail = f"more than {limit:,} steps inside of one step"
    outcome = Incident("step_budget", detail, "make the list shorter, then retry")
    return advanced._replace(outcome=outcome)
