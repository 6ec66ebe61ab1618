"""Steps that hold other steps: `parallel` and `foreach`.

Each member of a `parallel` runs to its end, then the strategy decides the result. With
`any_can_pass` the first member that passes ends the others. A `foreach` runs one body for each
item of a list and keeps a cursor, however long the list is.
"""

from collections.abc import Iterator, Mapping, Sequence

from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.runtime import Deadline, Run, Scope, earlier
from resumer_daemon.engine.state import StepProgress, targets
from resumer_daemon.engine.step_result import (
    UNFINISHED,
    Ended,
    StepFailed,
    StepIncomplete,
    StepPassed,
    StepResult,
    failure,
    output,
)
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import ForeachStep, ParallelStep, Step
from resumer_daemon.workflow.errors import FieldNotFound, StepError
from resumer_daemon.workflow.templates import follow, reference
from resumer_daemon.workflow.values import MISSING, Json

SUPERSEDED = "superseded: another branch has passed"


def run_parallel(step: ParallelStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Run the members that have not ended.

    Raises:
        StepError: There are no members or too many, or the strategy is unknown.
    """
    check_size(step, scope, run)
    if step.strategy not in ("all_must_pass", "any_can_pass", "best_effort"):
        raise StepError(f"unknown parallel strategy: {step.strategy}")
    shared = within(step, scope, progress)
    paths = [f"{scope.path}/{number}" for number in range(len(step.steps))]
    ends = [run_member(*each, shared, run) for each in zip(step.steps, paths, strict=True)]
    if step.strategy == "any_can_pass" and not run.yielded and _any_passed(ends):
        ends = [_abandoned(*each, run) for each in zip(step.steps, paths, ends, strict=True)]
    if any(isinstance(end, StepIncomplete) for end in ends):
        return UNFINISHED
    result = _result_of(step, ends)
    if isinstance(result, StepPassed):
        _withdraw_failed(paths, ends, run)
    return result


def _withdraw_failed(paths: Sequence[str], ends: Sequence[Ended], run: Run) -> None:
    """Withdraw approvals of failed members that will not be repeated."""
    for path, end in zip(paths, ends, strict=True):
        if isinstance(end, StepFailed) and not end.final:
            run.withdraw_approvals(path)


def _any_passed(ends: Sequence[Ended]) -> bool:
    return any(isinstance(end, StepPassed) for end in ends)


def _abandoned(member: Step, path: str, end: Ended, run: Run) -> Ended:
    """Abandon a member that has not ended: its wait is void, and unsent effects are withdrawn.

    An effect that was sent may finish, and its result is recorded.
    """
    if not isinstance(end, StepIncomplete) or run.withdraw_unsent(path):
        return end
    progress = run.known(path)
    if progress is not None and progress.branch is None:
        run.add_record(
            member, Scope(path, 1, {}), progress, failure(member, progress.results), SUPERSEDED
        )
    run.abandon(path)
    given_up = StepFailed(SUPERSEDED, {}, final=True)
    remember_end(given_up, path, run)
    return given_up


def _result_of(step: ParallelStep, ends: Sequence[Ended]) -> StepResult:
    failures = [(number, end) for number, end in enumerate(ends) if isinstance(end, StepFailed)]
    if step.strategy == "all_must_pass" and failures:
        number, first = failures[0]
        # One final failure makes a repetition pointless.
        final = any(end.final for _, end in failures)
        return _failed(f"parallel step {number} failed: {first.error}", final, step, ends)
    if step.strategy == "any_can_pass" and len(failures) == len(ends):
        final = all(end.final for _, end in failures)
        return _failed(f"all parallel steps failed: {failures[0][1].error}", final, step, ends)
    return StepPassed(output("parallel", True, None, _data(step, ends)), step.next)


def _failed(error: str, final: bool, step: ParallelStep, ends: Sequence[Ended]) -> StepFailed:
    classes = (end.retry_class for end in ends if isinstance(end, StepFailed) and not end.final)
    failed = output("parallel", False, None, _data(step, ends))
    return StepFailed(error, failed, final, next(classes, None))


def _data(step: ParallelStep, ends: Sequence[Ended]) -> dict[str, Json]:
    return {
        "strategy": step.strategy,
        "steps": [
            {
                "step_id": member.id,
                "success": isinstance(end, StepPassed),
                "error": end.error if isinstance(end, StepFailed) else None,
            }
            for member, end in zip(step.steps, ends, strict=True)
        ],
    }


INDEX = "_index"


def run_foreach(step: ForeachStep, scope: Scope, run: Run, progress: StepProgress) -> StepResult:
    """Run the remaining items. The first failure ends the step.

    Raises:
        StepError: Steps, items or the item name are missing, or there are too many items.
    """
    check_size(step, scope, run)
    if not step.item_var:
        raise StepError(f"foreach {step.id}: no item_var")
    items = _items(step, scope, run)
    context = dict(scope.context)
    shared = within(step, scope, progress)._replace(context=context)
    body = Body.of(step.steps)
    while progress.item < len(items):
        # All items share one dict, because no step keeps its context.
        context[step.item_var] = items[progress.item]
        context[INDEX] = context[f"{step.item_var}_index"] = progress.item
        path = f"{scope.path}/{progress.item}"
        end = run_body(body, shared._replace(path=path), run, progress)
        match end:
            case StepIncomplete():
                return end
            case StepFailed(error, _, final, retry_class):
                data = {"items": len(items), "completed": progress.item}
                failed = output("foreach", False, None, data)
                failed_at = body.steps[progress.position].id
                error = f"foreach item {progress.item} failed: {failed_at}: {error}"
                return StepFailed(error, failed, final, retry_class)
        progress.item += 1
        progress.position = progress.steps_taken = progress.steps_before_resume = 0
    return StepPassed(output("foreach", True, None, {"items": len(items)}), step.next)


def _items(step: ForeachStep, scope: Scope, run: Run) -> list[Json]:
    if not step.items:
        raise StepError(f"foreach {step.id}: no items")
    path = reference(step.items)
    if path is None:
        raise StepError(f"foreach {step.id}: items are not a reference to a list: {step.items}")
    items = follow(path, scope.context)
    if items is MISSING:
        raise FieldNotFound(path)
    if not isinstance(items, list):
        raise StepError(f"foreach {step.id}: items are not a list: {path}")
    if len(items) > run.inputs.limits.items:
        most = run.inputs.limits.items
        raise StepError(f"foreach {step.id}: {len(items)} items, at most {most} can run")
    return items


class Body(Frozen):
    """The steps of a `foreach`. `flows`: they name each other, so next steps are followed."""

    steps: Sequence[Step]
    positions: Mapping[str, int]
    flows: bool

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "Body":
        """Return the body of these steps, computed once for all items."""
        positions = {step.id: position for position, step in reversed(list(enumerate(steps)))}
        return cls(steps, positions, any(not targets(s).isdisjoint(positions) for s in steps))

    def following(self, position: int) -> str | None:
        """Return the step after this position, None after the last."""
        return self.steps[position + 1].id if position + 1 < len(self.steps) else None


def run_body(body: Body, scope: Scope, run: Run, progress: StepProgress) -> Ended:
    """Run the body for one item, from its progress."""
    while progress.position < len(body.steps):
        step = body.steps[progress.position]
        here = _scope_of(body, scope, progress)
        if not run.is_under_way(here.path) and not _may_enter(here, run, progress):
            return UNFINISHED
        end = run.run_step(step, here, run)
        if isinstance(end, StepIncomplete):
            return end
        next_at = _next(body, step, end, progress.position)
        if isinstance(next_at, StepFailed):
            remember_end(next_at, here.path, run)
            return next_at
        if isinstance(end, StepFailed):
            run.withdraw_approvals(here.path)
        run.forget(here.path)
        progress.position = next_at
        progress.steps_taken += 1
    return StepPassed(None)


def _may_enter(scope: Scope, run: Run, progress: StepProgress) -> bool:
    """Count a step that begins. Return False if it must not begin."""
    if run.should_yield():
        return False
    if progress.steps_taken - progress.steps_before_resume >= run.inputs.limits.step_budget:
        run.halt(over_budget(run, f"an item at {scope.path}"))
        return False
    run.count_step(scope)
    return True


def over_budget(run: Run, what: str) -> Incident:
    """Return the incident of a flow that loops without a pause."""
    return Incident(
        "step_budget",
        f"{what} has taken {run.inputs.limits.step_budget} steps without a pause",
        "correct the loop in the definition and cancel, or retry to continue",
    )


def _scope_of(body: Body, scope: Scope, progress: StepProgress) -> Scope:
    if not body.flows:
        return scope._replace(path=f"{scope.path}/{progress.position}")
    # In a flow a step can run again, so the count is part of its path.
    return scope._replace(
        path=f"{scope.path}/{progress.position}@{progress.steps_taken}",
        flows=True,
        following=body.following(progress.position),
    )


def _next(body: Body, step: Step, end: StepPassed | StepFailed, at: int) -> int | StepFailed:
    """Return the next position, or a failure. Past the last position the item is done."""
    if not body.flows:
        return end if isinstance(end, StepFailed) else at + 1
    way = step.on_error if isinstance(end, StepFailed) else end.next_step
    if way is None:
        return end if isinstance(end, StepFailed) else len(body.steps)
    position = body.positions.get(way)
    return StepFailed(f"step not found: {way}", {}) if position is None else position


def check_size(step: ParallelStep | ForeachStep, scope: Scope, run: Run) -> None:
    """Check that a container has members, not too many, and is not nested too deep.

    Raises:
        StepError: It has none, too many, or is too deep.
    """
    limits = run.inputs.limits
    if not step.steps:
        raise StepError(f"{step.type} step has no steps")
    if scope.depth >= limits.depth:
        raise StepError(f"{step.type} nested more than {limits.depth} levels deep")
    if len(step.steps) > limits.width:
        raise StepError(f"{step.type} has {len(step.steps)} steps, at most {limits.width} can run")


def within(step: ParallelStep | ForeachStep, scope: Scope, progress: StepProgress) -> Scope:
    """Return the scope that the members of a container share, except for their paths."""
    deadline = scope.deadline
    if step.timeout is not None:
        deadline = earlier(deadline, Deadline(progress.clock + step.timeout, step.timeout))
    return scope._replace(
        following=None,
        container=scope.container or step.id,
        flows=False,
        depth=scope.depth + 1,
        deadline=deadline,
    )


def run_member(step: Step, path: str, shared: Scope, run: Run) -> Ended:
    """Run one member, unless it has ended or only waits. Remember how it ended."""
    known = run.known(path)
    if known is None:
        run.count_step(shared)
    elif known.ended is not None:
        return _end_of(known)
    elif not run.has_work(path):
        return UNFINISHED
    end = run.run_step(step, shared._replace(path=path), run)
    remember_end(end, path, run)
    return end


def remember_end(end: Ended, path: str, run: Run) -> None:
    """Store the end of a member. Keep all of its progress only if it may be repeated."""
    match end:
        case StepPassed():
            run.forget(path)
            run.set_progress(path, StepProgress(ended="passed"))
        case StepFailed(error, final=True):
            run.forget(path)
            run.set_progress(path, StepProgress(ended="failed", error=error, final=True))
        case StepFailed(error, retry_class=retry_class):
            failed = run.progress(path)
            failed.ended, failed.error, failed.retry_class = "failed", error, retry_class


def under_way(step: Step, path: str, run: Run) -> Iterator[tuple[Step, str]]:
    """Yield the unfinished steps inside a step, at any depth, with their paths."""
    if not isinstance(step, ParallelStep | ForeachStep):
        return
    for at in run.paths_inside(path):
        known = run.all_progress[at]
        member = member_at(step, at[len(path) + 1 :].split("/"))
        has_row = (
            known.branch is not None or known.wait_result is not None
        )  # written when it paused
        if member is not None and known.ended is None and not has_row:
            yield member, at


def member_at(step: Step, parts: Sequence[str]) -> Step | None:
    """Return the step that the parts of a path name, None if there is none.

    A `parallel` has one part, the position. A `foreach` has two, the item and the position.
    """
    if not parts:
        return step
    if isinstance(step, ParallelStep):
        position, rest = parts[0], parts[1:]
    elif isinstance(step, ForeachStep) and len(parts) > 1:
        position, rest = parts[1].partition("@")[0], parts[2:]
    else:
        return None
    return member_at(step.steps[int(position)], rest) if int(position) < len(step.steps) else None


def _end_of(known: StepProgress) -> StepPassed | StepFailed:
    if known.ended == "passed":
        return StepPassed(None)
    return StepFailed(known.error or "", {}, known.final, known.retry_class)
