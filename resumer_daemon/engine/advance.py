"""Advance an execution: run its definition from its state to the next durable point.

A long `foreach` runs in chunks. If a person paused the execution or put its workflow on hold, the
flow stops before its next step, as a manual pause.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
)
from resumer_daemon.engine.runtime import Run, Scope
from resumer_daemon.engine.state import (
    AWAITS,
    PAUSE,
    Awaits,
    Branch,
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

CHUNKS = 100
NO_RESULTS: Mapping[str, EffectResult] = MappingProxyType({})


class Pointer:
    """The position at the top level during one advance."""

    def __init__(self, state: State) -> None:
        self.step = state.step
        self.visits = dict(state.visits)
        self.steps_taken = state.steps_taken
        self.result: Result = state.result
        self.reason = state.reason
        self.awaits: Awaits | None = None

    def enter(self, step_id: str) -> None:
        """Count a step that begins."""
        self.visits[step_id] = self.visits.get(step_id, 0) + 1
        self.steps_taken += 1

    def follow(self, passed: StepPassed) -> None:
        """Move to the next step. A deciding action sets the result."""
        self.step = passed.next_step
        if passed.result is not None:
            self.result = passed.result
            self.reason = passed.reason


def begin(definition: Definition, time_left: float | None) -> State:
    """Return the state before the first step. `time_left` are seconds, None for no timeout."""
    first = definition.steps[0].id if definition.steps else None
    return State(first, time_left=time_left, allowed_time=time_left)


def advance(
    definition: Definition,
    state: State,
    context: Mapping[str, Json],
    inputs: AdvanceInputs,
    results: Mapping[str, EffectResult] = NO_RESULTS,
) -> Advance:
    """Advance until the flow waits, ends, or must let other executions advance.

    Return the records of all chunks together. If others must advance first, the outcome is
    `Effects(())`: record it, then advance again.
    """
    advanced = advance_once(definition, state, context, inputs, results)
    for _ in range(CHUNKS):
        if advanced.outcome != Effects(()):
            return advanced
        if inputs.stop_before_next_step:
            return advanced._replace(
                outcome=Paused("manual", advanced.state.step, NextSteps(), WaitCondition())
            )
        if inputs.out_of_time() or advanced.characters >= inputs.limits.characters:
            return advanced
        more = advance_once(definition, advanced.state, context, inputs)
        advanced = more._replace(
            records=advanced.records + more.records,
            writes=advanced.writes + more.writes,
            withdrawn=advanced.withdrawn + more.withdrawn,
            characters=advanced.characters + more.characters,
        )
    limit = CHUNKS * inputs.limits.chunk
    detail = f"more than {limit:,} steps inside of one step"
    outcome = Incident("step_budget", detail, "make the list shorter, then retry")
    return advanced._replace(outcome=outcome)


def advance_once(
    definition: Definition,
    state: State,
    context: Mapping[str, Json],
    inputs: AdvanceInputs,
    results: Mapping[str, EffectResult] = NO_RESULTS,
) -> Advance:
    """Run to the next durable point: a pause, effects or an end. Never raise an exception.

    `context` is the effective one. `results` are of effects that the state waits for, by path.
    Effects without a result are returned again, unchanged.
    """
    run = Run(state, inputs, results, run_step)
    pointer = Pointer(state)
    outcome = _go(definition, pointer, context, run)
    return run.finish(_state(pointer, run), outcome)


def _go(definition: Definition, pointer: Pointer, context: Mapping[str, Json], run: Run) -> Outcome:
    while pointer.step is not None:
        step = definition.step(pointer.step)
        if step is None:
            return Failed(f"step not found: {pointer.step}")
        path = segment(step.id)
        stopped = _before(step, path, pointer, run)
        if stopped is not None:
            return stopped
        following = definition.following(step.id)
        scope = Scope(
            path, pointer.visits.get(step.id, 1), context, following, deadline=run.deadline
        )
        end = run_step(step, scope, run)
        match end:
            case StepPassed():
                pointer.follow(end)
            case StepFailed():
                if step.on_error is None:
                    run.end_step()
                    return Failed(end.error)
                pointer.step = step.on_error
            case StepIncomplete():
                return _stopped(pointer, run)
            case _:
                assert_never(end)
        run.end_step()
    return Completed(pointer.result, pointer.reason)


def _before(step: Step, path: str, pointer: Pointer, run: Run) -> Outcome | None:
    """Enter a step that is not under way. Return an outcome if it must not begin."""
    if run.deadline is not None and run.deadline.at <= run.clock:
        return _time_is_up(step, path, run, run.deadline.error())
    if not run.is_under_way(path):
        if run.inputs.stop_before_next_step or run.is_spent():
            return Effects(())
        if pointer.steps_taken >= run.inputs.limits.step_budget:
            return over_budget(run, "the execution")
        pointer.enter(step.id)
    return None


def _stopped(pointer: Pointer, run: Run) -> Outcome:
    """Return why the step under way has not ended."""
    if run.incident is not None:
        return run.incident
    if run.needs_results or run.yielded:
        return Effects(run.effects_in_order())
    if branches := run.branches_in_order():
        return _pause(pointer, branches, run)
    return Incident(
        "engine", f"step {pointer.step} does not end and waits for nothing", "report this"
    )


def _pause(pointer: Pointer, branches: Sequence[Branch], run: Run) -> Paused:
    """Pause at a top-level step, or in all branches inside it that wait."""
    longest = branches[0]
    inside = longest.path != PAUSE
    if not inside:
        pointer.awaits = AWAITS[longest.reason]
        path = segment(longest.step_id or "")
        progress = run.progress(path)
        run.keep_only(path, StepProgress(attempt=progress.attempt, clock=run.clock))
    return Paused(
        longest.reason,
        longest.step_id,
        longest.next_steps,
        longest.wait,
        longest.approval_ids,
        tuple(branches) if inside else (),
    )


def _time_is_up(step: Step, path: str, run: Run, error: str) -> Failed:
    """End the execution and the step under way. `on_error` is not followed."""
    if run.is_under_way(path):
        progress = run.progress(path)
        scope = Scope(path, 1, {})
        run.add_record(step, scope, progress, failure(step, progress.results), error)
        for member, at in under_way(step, path, run):
            progress = run.progress(at)
            run.add_record(
                member, Scope(at, 1, {}), progress, failure(member, progress.results), error
            )
    run.end_step()
    return Failed(error)


def _state(pointer: Pointer, run: Run) -> State:
    deadline, progress = run.deadline, run.all_progress
    return State(
        pointer.step,
        pointer.visits,
        pointer.steps_taken,
        run.steps_inside,
        pointer.result,
        pointer.reason,
        progress,
        pointer.awaits,
        None if deadline is None else max(0.0, deadline.at - run.clock),
        None if deadline is None else deadline.allowed,
        run.clock if progress else 0.0,
        last_step_began=_moment(pointer, run),
    )


def _moment(pointer: Pointer, run: Run) -> datetime | None:
    """Return when the last step began, if the next advance cannot know it otherwise.

    The record of a pause has its time, unless the clock went back before it. Without the time,
    states at the same step are equal, so that their texts can be cached.
    """
    known = pointer.awaits is not None and not run.clock_went_back
    return None if known or not run.all_progress else run.last_step_began
