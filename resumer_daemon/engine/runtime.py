"""The state of one advance. The steps read it, and add the rows and effects of the advance to it.

`Run` is the mutable part. The state that the advance began with does not change.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from resumer_daemon.durations import EXPECTED, format_duration, parse_duration
from resumer_daemon.engine.inputs import AdvanceInputs
from resumer_daemon.engine.outcome import (
    Advance,
    Effect,
    EffectResult,
    Incident,
    NewApproval,
    OutboxMessage,
    Outcome,
    StepRecord,
    Write,
)
from resumer_daemon.engine.state import PAUSE, Branch, NextSteps, State, StepProgress
from resumer_daemon.engine.step_result import Ended
from resumer_daemon.frozen import Frozen
from resumer_daemon.workflow.definition import Step
from resumer_daemon.workflow.errors import StepError
from resumer_daemon.workflow.reader import describe
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import Names
from resumer_daemon.workflow.values import Json, size_of


class Deadline(Frozen):
    """The time by which a step or an execution must end, and the seconds that it was given."""

    at: float
    allowed: float

    def error(self) -> str:
        """Return the error of a step or an execution that reached the deadline."""
        return f"timed out after {format_duration(self.allowed)}"


def earlier(one: Deadline | None, other: Deadline | None) -> Deadline | None:
    """Return the deadline that comes first, None if there is none."""
    if one is None or other is None:
        return one or other
    return one if one.at <= other.at else other


def time_after(start: datetime, duration: Json) -> datetime:
    """Return the time that is a duration after another time.

    Raises:
        StepError: The duration is invalid or too long.
    """
    seconds = parse_duration(duration)
    if seconds is None:
        raise StepError(f"expected {EXPECTED}, found {describe(mask_secrets(duration))}")
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        raise StepError(f"the duration is too long: {describe(duration)}") from None


class Scope(NamedTuple):
    """The surroundings of one step in a run. A tuple, because each step makes one.

    `path` is the place in the definition. `context` is what the step reads, with the current item
    of a `foreach`. `following` is the next step in the list. `container` is the top-level step
    around this one, None at the top level. `flows`: the next steps that a step names are followed.
    `delay` is the backoff in seconds of the retry that leads here.
    """

    path: str
    visit: int
    context: Mapping[str, Json]
    following: str | None = None
    container: str | None = None
    flows: bool = True
    depth: int = 0
    deadline: Deadline | None = None
    delay: float = 0.0

    @property
    def branch(self) -> str:
        """The path of the branch that waits here."""
        return PAUSE if self.container is None else self.path

    def next_steps(self, steps: NextSteps) -> NextSteps:
        """Return the next steps of a pause here. Inside a container, that is the container."""
        if self.container is None:
            return steps
        return NextSteps(*(self.container,) * 5)


UNMEASURED_RECORDS: Final = 20
"""The first records of an advance count no characters, because measuring short flows costs more."""

RunStep: TypeAlias = Callable[[Step, Scope, "Run"], Ended]

_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


class Run:
    """One advance: the progress of its steps, and what it adds to be written and sent."""

    def __init__(
        self,
        state: State,
        inputs: AdvanceInputs,
        results: Mapping[str, EffectResult],
        run_step: RunStep,
    ) -> None:
        self.inputs = inputs
        self.results = results
        self.run_step = run_step
        self.clock = state.clock + inputs.elapsed
        self.deadline = _deadline_of(state)
        self.incident: Incident | None = None
        self.yielded = False
        self._done: dict[str, StepProgress] = dict(state.progress)
        self._records: list[StepRecord] = []
        self._writes: list[Write] = []
        self._withdrawn: list[UUID] = []
        self._effects = _in_flight(state, self.clock, results)
        self._sent = frozenset(self._effects)
        self._branches = {each.path: each for each in state.branches}
        self._steps_inside = 0
        self._steps_inside_before = state.steps_taken_inside
        self._characters = 0
        self._copied: set[str] = set()
        self._state = state
        self._paths_with_work: set[str] | None = None
        self._members: dict[str, dict[str, None]] | None = None
        self._now_read = inputs.now if inputs.now.tzinfo else inputs.now.replace(tzinfo=UTC)
        self._now = self._latest(state)

    def _latest(self, state: State) -> datetime:
        """Return a time that no step began after, even if the clock went back."""
        earlier = (state.last_step_began, self.inputs.steps_began_by)
        return max([self._now_read, *(moment for moment in earlier if moment is not None)])

    # Time and names

    @property
    def clock_went_back(self) -> bool:
        """Tell whether steps of earlier advances began later than the clock is now."""
        return self._now - self._now_read > _SECOND

    @property
    def last_step_began(self) -> datetime:
        """The time when the last step began."""
        return self._now

    def next_moment(self) -> datetime:
        """Return a time that is later at each call, so that records keep the order of steps."""
        self._now += _MICROSECOND
        return self._now

    def template_names(self, step: Step, approval_id: str | None) -> Names:
        """Return the values of the built-in names of templates in a step."""
        inputs = self.inputs
        return Names(
            inputs.now, inputs.execution_id, inputs.execution_key, inputs.workflow_id,
            step.id, approval_id, inputs.approval_url.replace("{id}", approval_id or ""),
        )  # fmt: skip

    # Progress of steps

    @property
    def all_progress(self) -> Mapping[str, StepProgress]:
        """The progress of all steps under way, by path."""
        return self._done

    @property
    def steps_inside(self) -> int:
        """The number of steps inside containers, of earlier advances too."""
        return self._steps_inside_before + self._steps_inside

    def is_under_way(self, path: str) -> bool:
        """Tell whether the step at this path has begun."""
        return path in self._done

    def known(self, path: str) -> StepProgress | None:
        """Return the progress of the step at this path, not to be changed; None if it has none."""
        return self._done.get(path)

    def progress(self, path: str) -> StepProgress:
        """Return the progress of the step at this path, which the caller may change."""
        found = self._done.get(path)
        if found is None:
            found = StepProgress(began=self.next_moment(), clock=self.clock)
        elif path in self._copied:
            return found
        else:
            found = copy(found)
        self.set_progress(path, found)
        return found

    def set_progress(self, path: str, progress: StepProgress) -> None:
        """Replace the progress of the step at this path."""
        if self._members is not None and path not in self._done:
            _add_member(path, self._members)
        self._done[path] = progress
        self._copied.add(path)

    def keep_only(self, path: str, progress: StepProgress) -> None:
        """Replace all progress by that of the step at this path."""
        self._done = {path: progress}

    def end_step(self) -> None:
        """Drop all progress: the top-level step has ended."""
        self._done.clear()

    def forget(self, path: str) -> None:
        """Drop the progress of a step and of the steps inside it."""
        for known in (path, *self.paths_inside(path)):
            self._done.pop(known, None)
            self._copied.discard(known)
            if self._members is not None:
                self._members.pop(known, None)

    def abandon(self, path: str) -> None:
        """Drop a step, the branches that wait in it, and the approvals that it requested."""
        dropped = [each for each in self._branches if _is_within(each, path)]
        self._withdraw([a for each in dropped for a in self._branches.pop(each).approval_ids])
        self.withdraw_approvals(path)
        self.forget(path)

    def has_work(self, path: str) -> bool:
        """Tell whether anything inside a step under way can continue now.

        If all of it waits for results or in branches, none of it need be visited.
        """
        if self._paths_with_work is None:
            self._paths_with_work = _paths_with_work(self._state.progress, self._sent)
        return path in self._paths_with_work or path in self._copied

    def paths_inside(self, path: str) -> list[str]:
        """Return the paths of the steps inside a step that have progress."""
        if self._members is None:
            self._members = {}
            for known in self._done:
                _add_member(known, self._members)
        if path not in self._members:
            return []
        found = []
        for member in self._members[path]:
            if member in self._done:
                found.append(member)
            found += self.paths_inside(member)
        return found

    # What the advance adds

    def add_record(
        self,
        step: Step,
        scope: Scope,
        progress: StepProgress,
        output: dict[str, Json],
        error: str | None = None,
    ) -> None:
        """Record one attempt of a step, which ends now."""
        if len(self._records) >= UNMEASURED_RECORDS:
            self._characters += size_of(output)
        self._records.append(
            StepRecord(
                step.id,
                step.written_type if step.type == "broken" else step.type,
                "completed" if error is None else "failed",
                output,
                error,
                max(0.0, self.clock - progress.clock),
                scope.path,
                progress.began,
            )
        )

    def add_write(self, write: Write) -> None:
        """Have a message or an approval written with the records of this advance."""
        self._writes.append(write)
        if isinstance(write, OutboxMessage):
            self._characters += size_of(write.body)

    def add_effect(self, path: str, action: int, pending: Mapping[str, Json]) -> None:
        """Have the effect of an action sent. The step waits for its result."""
        effect = to_effect(path, action, pending, self.clock)
        self._effects[effect.path] = effect

    def add_branch(self, branch: Branch) -> None:
        """Add a branch that waits from now on."""
        self._branches[branch.path] = branch

    def halt(self, incident: Incident) -> None:
        """Stop for a person. The first incident counts."""
        self.incident = self.incident or incident

    def withdraw_approvals(self, path: str) -> None:
        """Withdraw the approvals that a step, and the steps inside it, requested."""
        known = (self._done.get(each) for each in (path, *self.paths_inside(path)))
        self._withdraw([UUID(a) for each in known if each is not None for a in each.approval_ids])

    def _withdraw(self, approvals: Sequence[UUID]) -> None:
        """Do not write these approvals, and close those that are written already."""
        if approvals:
            self._withdrawn += approvals
            self._writes = [
                w for w in self._writes if not isinstance(w, NewApproval) or w.id not in approvals
            ]

    def withdraw_unsent(self, path: str) -> bool:
        """Withdraw the effects of a step that were not sent. Return whether any were sent."""
        inside = [effect for effect in self._effects if _is_within(effect, path)]
        for effect in inside:
            if effect not in self._sent:
                self.progress(effect.rpartition("#")[0]).pending = None
                del self._effects[effect]
        return any(effect in self._sent for effect in inside)

    # The end of the advance

    @property
    def needs_results(self) -> bool:
        """Tell whether effects are in flight."""
        return bool(self._effects)

    def effects_in_order(self) -> tuple[Effect, ...]:
        """Return the effects to send, in the order in which their steps began."""
        if not self._sent or self._effects.keys() <= self._sent:
            return tuple(self._effects.values())
        of = {path.rpartition("#")[0]: effect for path, effect in self._effects.items()}
        return tuple(of[path] for path in self._done if path in of)

    def branches_in_order(self) -> list[Branch]:
        """Return the branches that wait, the longest first."""
        return sorted(self._branches.values(), key=_since)

    def finish(self, state: State, outcome: Outcome) -> Advance:
        """Return the advance, with its records in the order in which their steps began."""
        if len(self._records) > 1:
            self._records.sort(key=_began)
        return Advance(
            state, outcome, tuple(self._records), tuple(self._writes), tuple(self._withdrawn),
            self._characters,
        )  # fmt: skip

    # Limits

    def count_step(self, scope: Scope) -> None:
        """Count a step inside a container. The budget of the top level does not include it."""
        self._steps_inside += 1
        limits = self.inputs.limits
        if self.steps_inside > limits.step_budget * limits.items:
            self.halt(
                Incident(
                    "step_budget",
                    f"{scope.container} has taken {limits.step_budget * limits.items} steps inside",
                    "correct the definition and cancel, or retry to continue",
                )
            )

    def should_yield(self) -> bool:
        """Tell whether the daemon should record now, after much work or for a manual pause."""
        if not self.yielded:
            enough = self._steps_inside >= self.inputs.limits.chunk or self.is_spent()
            self.yielded = enough or self.inputs.stop_before_next_step or self.incident is not None
        return self.yielded

    def is_spent(self) -> bool:
        """Tell whether this advance took a step and reached its time or size limit."""
        if not self._records and not self._steps_inside:
            return False
        return self._characters >= self.inputs.limits.characters or self.inputs.out_of_time()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _since(branch: Branch) -> datetime:
    return branch.since or _EPOCH


def _began(record: StepRecord) -> datetime:
    return record.began or _EPOCH


def _deadline_of(state: State) -> Deadline | None:
    if state.time_left is None:
        return None
    return Deadline(state.clock + state.time_left, state.allowed_time or state.time_left)


def _is_within(path: str, container: str) -> bool:
    """Tell whether a path is of this step, of one of its actions, or of a step inside it."""
    return path == container or path.startswith((f"{container}/", f"{container}#"))


def _in_flight(
    state: State, clock: float, results: Mapping[str, EffectResult]
) -> dict[str, Effect]:
    """Return the effects that a state waits for and that have no result, by path."""
    effects = (
        to_effect(path, len(each.results), each.pending, clock)
        for path, each in state.progress.items()
        if each.pending is not None and each.in_flight
    )
    return {effect.path: effect for effect in effects if effect.path not in results}


def to_effect(path: str, action: int, pending: Mapping[str, Json], clock: float) -> Effect:
    """Return the effect of an action from the pending part of its step's progress."""
    until = pending.get("until")
    return Effect(
        f"{path}#{action}",
        pending["key"],
        pending["kind"],
        pending["request"],
        pending["attempt"],
        pending.get("delivery", "at_least_once"),
        float(pending.get("delay", 0)),
        None if until is None else max(0.0, float(until) - clock),
    )


def _add_member(path: str, members: dict[str, dict[str, None]]) -> None:
    """Add a path to the members of its container, and that container to its own."""
    siblings = members.get(path.rpartition("/")[0])
    if siblings is not None:
        siblings[path] = None
        return
    for container in _containers_of(path, members):
        members.setdefault(container, {})[path] = None
        path = container


def _containers_of(path: str, known: Container[str]) -> Iterator[str]:
    """Yield the containers of a path, the innermost first, up to the first one that is known."""
    container = path.rpartition("/")[0]
    while container:
        stops = container in known
        yield container
        container = "" if stops else container.rpartition("/")[0]


def _paths_with_work(done: Mapping[str, StepProgress], effects: Iterable[str]) -> set[str]:
    """Return the steps that can continue.

    A step waits for its effect or in its branch. A container waits for the steps inside it.
    """
    under_way = [path for path, each in done.items() if each.ended is None]
    waiting: set[str] = set()
    for path in under_way:
        if path.rpartition("/")[0] not in waiting:
            waiting.update(_containers_of(path, waiting))
    waiting.update(effect.rpartition("#")[0] for effect in effects)
    found: set[str] = set()
    for path in under_way:
        if path not in waiting and done[path].branch is None:
            found.add(path)
            found.update(_containers_of(path, found))
    return found
