"""The state of one advance: what the steps read, and what they add to be written."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from resumer_daemon.engine.inputs import AdvanceInputs
from resumer_daemon.engine.outcome import (
    Effect,
    EffectResult,
    Incident,
    NewApproval,
    OutboxMessage,
    StepRecord,
    Write,
)
from resumer_daemon.engine.state import PAUSE, NextSteps, State, StepProgress
from resumer_daemon.engine.step_result import Ended
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.definition import Step
from resumer_daemon.workflow.templates import Names
from resumer_daemon.workflow.values import Json, size_of

_UNITS = (("h", 3600.0), ("m", 60.0))


@frozen
class Deadline:
    """Until when something must be done, and how long it was given."""

    at: float
    allowed: float

    def error(self) -> str:
        """Return what a step or an execution fails with that is not done by then."""
        return f"timed out after {format_limit(self.allowed)}"


def earlier(one: Deadline | None, other: Deadline | None) -> Deadline | None:
    """Return the limit that comes first."""
    if one is None or other is None:
        return one or other
    return one if one.at <= other.at else other


def format_limit(seconds: float) -> str:
    """Return a duration as Go writes it: `1h30m`, `45s`, `1.5s`, `250ms`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    text = ""
    for unit, size in _UNITS:
        if seconds >= size:
            text += f"{int(seconds // size)}{unit}"
            seconds %= size
    return f"{text}{seconds:.9g}s" if seconds or not text else text


class Scope(NamedTuple):
    """One place in one run; a tuple, for each step of each advance makes one.

    `context` is what the step sees, an item in its scope included. `following` is the next step
    in the list. `container` is the top-level step that this is inside of, None at the top level.
    `flows`: ways are followed here. `delay` is the backoff of the retry that leads here.
    """

    path: str
    visit: int
    context: Mapping[str, Json]
    following: str | None = None
    container: str | None = None
    flows: bool = True
    depth: int = 0
    limit: Deadline | None = None
    delay: float = 0.0

    @property
    def branch(self) -> str:
        """The path under which what waits here is known."""
        return PAUSE if self.container is None else self.path

    def ways(self, ways: NextSteps) -> NextSteps:
        """Return where the answer to a pause leads: inside of a container always on with that."""
        if self.container is None:
            return ways
        return NextSteps(*(self.container,) * 5)


FEW: Final = 20
"""So many records are written whatever their size: to measure those of short flows costs more."""

RunStep: TypeAlias = Callable[[Step, Scope, "Run"], Ended]

_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


class Run:
    """The mutable part of one advance; the state it began with stays as it was."""

    def __init__(
        self, state: State, world: AdvanceInputs, results: Mapping[str, EffectResult], run: RunStep
    ) -> None:
        self.world = world
        self.results = results
        self.run = run
        self.clock = state.clock + world.elapsed
        self.limit = self._limit(state)
        self.done: dict[str, StepProgress] = dict(state.done)
        self.records: list[StepRecord] = []
        self.writes: list[Write] = []
        self.withdrawn: list[UUID] = []
        self.effects = _under_way(state, self.clock, results)
        self.sent = frozenset(self.effects)
        self.branches = {each.path: each for each in state.branches}
        self.incident: Incident | None = None
        self.yielded = False
        self.steps_inside = 0
        self.written = 0
        self.inside_before = state.taken_inside
        self._mine: set[str] = set()
        self._state = state
        self._moving: set[str] | None = None
        self._members: dict[str, dict[str, None]] | None = None
        self._read = world.now if world.now.tzinfo else world.now.replace(tzinfo=UTC)
        self._now = self._latest(state)

    def _limit(self, state: State) -> Deadline | None:
        if state.time_left is None:
            return None
        return Deadline(state.clock + state.time_left, state.allowed_time or state.time_left)

    def _latest(self, state: State) -> datetime:
        """Return a time that is not before any step that began, should the clock have gone back."""
        earlier = (state.moment, self.world.steps_began_by)
        return max([self._read, *(moment for moment in earlier if moment is not None)])

    @property
    def clock_went_back(self) -> bool:
        """Tell whether steps of earlier advances began later than the clock is now."""
        return self._now - self._read > _SECOND

    @property
    def reached(self) -> datetime:
        """The moment when the last step began."""
        return self._now

    def moment(self) -> datetime:
        """Return the time, a little later on each call: records keep the order of their steps."""
        self._now += _MICROSECOND
        return self._now

    def names(self, step: Step, approval_id: str | None) -> Names:
        """Return what the built-in names of templates stand for in a step."""
        world = self.world
        return Names(
            world.now, world.execution_id, world.execution_key, world.workflow_id,
            step.id, approval_id, world.approval_url.replace("{id}", approval_id or ""),
        )  # fmt: skip

    def progress(self, path: str) -> StepProgress:
        """Return how far the step at this path has come, to be changed by the caller."""
        found = self.done.get(path)
        if found is None:
            found = StepProgress(began=self.moment(), clock=self.clock)
        elif path in self._mine:
            return found
        else:
            found = copy(found)
        self.keep(path, found)
        return found

    def keep(self, path: str, progress: StepProgress) -> None:
        """Remember this of a step, and nothing else."""
        if self._members is not None and path not in self.done:
            _enter(path, self._members)
        self.done[path] = progress
        self._mine.add(path)

    def moves(self, path: str) -> bool:
        """Tell whether anything inside of a step under way goes on now.

        Where all of it waits for results that are not here, or for answers, none need be visited.
        """
        if self._moving is None:
            self._moving = _moving(self._state.done, self.sent)
        return path in self._moving or path in self._mine

    def forget(self, path: str) -> None:
        """Drop what is remembered of a step that will not be looked at again."""
        inside = self.inside(path)
        for known in (path, *inside):
            self.done.pop(known, None)
            self._mine.discard(known)
            if self._members is not None:
                self._members.pop(known, None)

    def hand_over(self, path: str, action: int, pending: Mapping[str, Json]) -> None:
        """Have the effect of an action carried out that a step waits for from now on."""
        effect = handed_over(path, action, pending, self.clock)
        self.effects[effect.path] = effect

    def effects_in_order(self) -> tuple[Effect, ...]:
        """Return what is to be carried out in the order in which its steps began."""
        if not self.sent or self.effects.keys() <= self.sent:
            return tuple(self.effects.values())
        of = {path.rpartition("#")[0]: effect for path, effect in self.effects.items()}
        return tuple(of[path] for path in self.done if path in of)

    def keep_sent(self, path: str) -> bool:
        """Withdraw a step's effects that were not sent before; return whether any is left."""
        inside = [effect for effect in self.effects if _within(effect, path)]
        for effect in inside:
            if effect not in self.sent:
                self.progress(effect.rpartition("#")[0]).pending = None
                del self.effects[effect]
        return any(effect in self.sent for effect in inside)

    def drop(self, path: str) -> None:
        """Forget a step, what it waits for, and the approvals that it has just asked for."""
        dropped = [each for each in self.branches if _within(each, path)]
        self._withdraw([a for each in dropped for a in self.branches.pop(each).approval_ids])
        self.give_up(path)
        self.forget(path)

    def inside(self, path: str) -> list[str]:
        """Return the paths of what is remembered inside of a step."""
        if self._members is None:
            self._members = {}
            for known in self.done:
                _enter(known, self._members)
        if path not in self._members:
            return []
        found = []
        for member in self._members[path]:
            if member in self.done:
                found.append(member)
            found += self.inside(member)
        return found

    def record(
        self,
        step: Step,
        place: Scope,
        progress: StepProgress,
        output: dict[str, Json],
        error: str | None = None,
    ) -> None:
        """Record one attempt of a step, which ends here."""
        if len(self.records) >= FEW:
            self.written += size_of(output)
        self.records.append(
            StepRecord(
                step.id,
                step.written_type if step.type == "broken" else step.type,
                "completed" if error is None else "failed",
                output,
                error,
                max(0.0, self.clock - progress.clock),
                place.path,
                progress.began,
            )
        )

    def give_up(self, path: str) -> None:
        """Withdraw the approvals that a step, and what is inside of it, has asked for."""
        known = (self.done.get(each) for each in (path, *self.inside(path)))
        self._withdraw([UUID(a) for each in known if each is not None for a in each.asked])

    def _withdraw(self, asked: Sequence[UUID]) -> None:
        """Write none of these approvals, and have those closed that are written already."""
        if asked:
            self.withdrawn += asked
            self.writes = [
                w for w in self.writes if not isinstance(w, NewApproval) or w.id not in asked
            ]

    def count_step(self, place: Scope) -> None:
        """Count a step inside of another one, which the budget of the top level does not know."""
        self.steps_inside += 1
        limits = self.world.limits
        if self.inside_before + self.steps_inside > limits.step_budget * limits.items:
            self.incident = Incident(
                "step_budget",
                f"{place.container} has taken {limits.step_budget * limits.items} steps inside",
                "mend the definition and cancel, or retry to let it go on",
            )

    def yields(self) -> bool:
        """Tell whether to let the shell record, for a pause is asked for or much was done."""
        if not self.yielded:
            enough = self.steps_inside >= self.world.limits.chunk or self.spent()
            self.yielded = enough or self.world.stop_before_next_step or self.incident is not None
        return self.yielded

    def spent(self) -> bool:
        """Tell whether the time or the space of this advance is used up, and a step was taken."""
        if not self.records and not self.steps_inside:
            return False
        return self.written >= self.world.limits.characters or self.world.out_of_time()

    def write(self, message: Write) -> None:
        """Have a message or an approval written with the records of this advance."""
        self.writes.append(message)
        if isinstance(message, OutboxMessage):
            self.written += size_of(message.body)


def _within(path: str, container: str) -> bool:
    """Tell whether a path is of this step, of one of its actions, or of a step inside of it."""
    return path == container or path.startswith((f"{container}/", f"{container}#"))


def _under_way(
    state: State, clock: float, results: Mapping[str, EffectResult]
) -> dict[str, Effect]:
    """Return the effects that a state waits for and that have no result, by path."""
    effects = (
        handed_over(path, len(each.results), each.pending, clock)
        for path, each in state.done.items()
        if each.pending is not None and each.sends
    )
    return {effect.path: effect for effect in effects if effect.path not in results}


def handed_over(path: str, action: int, pending: Mapping[str, Json], clock: float) -> Effect:
    """Return the effect that an action of a step's list waits for, as it is remembered."""
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


def _enter(path: str, members: dict[str, dict[str, None]]) -> None:
    """Enter a path with the one that it is directly inside of, and that one likewise."""
    beside = members.get(path.rpartition("/")[0])
    if beside is not None:
        beside[path] = None
        return
    for container in _around(path, members):
        members.setdefault(container, {})[path] = None
        path = container


def _around(path: str, known: Container[str]) -> Iterator[str]:
    """Yield what a path is inside of, from there outwards, up to the first that is known."""
    container = path.rpartition("/")[0]
    while container:
        stops = container in known
        yield container
        container = "" if stops else container.rpartition("/")[0]


def _moving(done: Mapping[str, StepProgress], effects: Iterable[str]) -> set[str]:
    """Return the steps in which something goes on: all but those that wait for something.

    A step waits for its effect or its answer, a container for what is under way inside of it.
    """
    under_way = [path for path, each in done.items() if each.ended is None]
    waiting: set[str] = set()
    for path in under_way:
        if path.rpartition("/")[0] not in waiting:
            waiting.update(_around(path, waiting))
    waiting.update(effect.rpartition("#")[0] for effect in effects)
    moving: set[str] = set()
    for path in under_way:
        if path not in waiting and done[path].waits is None:
            moving.add(path)
            moving.update(_around(path, moving))
    return moving
