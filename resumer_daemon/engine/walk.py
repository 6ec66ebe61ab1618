"""One advance while it lasts: what it reads, and what it collects to be written."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from resumer_daemon.engine.branch import Branch
from resumer_daemon.engine.clock import Limit
from resumer_daemon.engine.outcome import (
    Effect,
    EffectResult,
    Incident,
    NewApproval,
    OutboxMessage,
    StepRecord,
    Write,
)
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.state import State
from resumer_daemon.engine.verdict import Ended
from resumer_daemon.engine.world import World
from resumer_daemon.workflow.definition import Step
from resumer_daemon.workflow.templates import Names
from resumer_daemon.workflow.values import Json, size_of

FEW: Final = 20
"""So many records are written whatever their size: to measure those of short flows costs more."""

Run: TypeAlias = Callable[[Step, Place, "Walk"], Ended]

_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


class Walk:
    """The mutable part of one advance; the state it began with stays as it was."""

    def __init__(
        self, state: State, world: World, results: Mapping[str, EffectResult], run: Run
    ) -> None:
        self.world = world
        self.results = results
        self.run = run
        self.clock = state.clock + world.elapsed
        self.limit = self._limit(state)
        self.done: dict[str, Progress] = dict(state.done)
        self.records: list[StepRecord] = []
        self.writes: list[Write] = []
        self.effects: list[Effect] = []
        self.branches: list[Branch] = []
        self.incident: Incident | None = None
        self.yielded = False
        self.steps_inside = 0
        self.written = 0
        self.inside_before = state.taken_inside
        self._mine: set[str] = set()
        self._read = world.now if world.now.tzinfo else world.now.replace(tzinfo=UTC)
        self._now = self._latest(state)

    def _limit(self, state: State) -> Limit | None:
        if state.time_left is None:
            return None
        return Limit(state.clock + state.time_left, state.allowed_time or state.time_left)

    def _latest(self, state: State) -> datetime:
        """Return a time that is not before any step that began, should the clock have gone back."""
        earlier = (state.moment, self.world.steps_after)
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

    def progress(self, path: str) -> Progress:
        """Return how far the step at this path has come, to be changed by the caller."""
        found = self.done.get(path)
        if found is None:
            found = Progress(began=self.moment(), clock=self.clock)
        elif path in self._mine:
            return found
        else:
            found = copy(found)
        self.done[path] = found
        self._mine.add(path)
        return found

    def keep(self, path: str, progress: Progress) -> None:
        """Remember this of a step, and nothing else."""
        self.done[path] = progress
        self._mine.add(path)

    def forget(self, path: str) -> None:
        """Drop what is remembered of a step that will not be looked at again."""
        for known in (path, *self.inside(path)):
            self.done.pop(known, None)
            self._mine.discard(known)

    def keep_only(self, path: str, sent: set[str]) -> bool:
        """Withdraw a step's effects that were not `sent` before; return whether any is left."""
        for effect in self.effects:
            if _within(effect.path, path) and effect.path not in sent:
                self.progress(effect.path.rpartition("#")[0]).pending = None
        self.effects = [e for e in self.effects if not _within(e.path, path) or e.path in sent]
        return any(_within(effect.path, path) for effect in self.effects)

    def drop(self, path: str) -> None:
        """Forget a step, what it waits for, and the approvals that it has just asked for."""
        asked = {a for each in self.branches if _within(each.path, path) for a in each.asked}
        self.branches = [each for each in self.branches if not _within(each.path, path)]
        self.writes = [
            w for w in self.writes if not isinstance(w, NewApproval) or w.id not in asked
        ]
        self.forget(path)

    def inside(self, path: str) -> list[str]:
        """Return the paths of what is remembered inside of a step."""
        within = f"{path}/"
        return [known for known in self.done if known.startswith(within)]

    def record(
        self,
        step: Step,
        place: Place,
        progress: Progress,
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

    def withdraw(self, asked: Sequence[str]) -> None:
        """Write none of these approvals: the step that asked for them has failed for good."""
        if asked:
            kept = [
                w for w in self.writes if not isinstance(w, NewApproval) or str(w.id) not in asked
            ]
            self.writes[:] = kept

    def count_step(self, place: Place) -> None:
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
            self.yielded = enough or self.world.hold or self.incident is not None
        return self.yielded

    def spent(self) -> bool:
        """Tell whether the time or the space of this advance is used up, and a step was taken."""
        if not self.records and not self.steps_inside:
            return False
        return self.written >= self.world.limits.written or self.world.out_of_time()

    def write(self, message: Write) -> None:
        """Have a message or an approval written with the records of this advance."""
        self.writes.append(message)
        if isinstance(message, OutboxMessage):
            self.written += size_of(message.body)


def _within(path: str, container: str) -> bool:
    """Tell whether a path is of this step, of one of its actions, or of a step inside of it."""
    return path == container or path.startswith((f"{container}/", f"{container}#"))
