"""The one canonical model of a workflow definition; every spelling ends as this.

`workflow/spelling.py` turns what people wrote into these models, the engine reads nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final, Literal, TypeAlias, TypeGuard

from pydantic import BaseModel, ConfigDict

from resumer_daemon.workflow.values import Json

LONGEST_ID: Final = 255
"""How many characters the id of a step may have."""

NESTED: Final = 8
"""How deep `parallel` and `foreach` may stand in each other."""

WIDEST: Final = 64
"""How many steps a `parallel` or the body of a `foreach` may have."""


def is_id(written: object) -> TypeGuard[str]:
    """Tell whether a step may have this as its id."""
    return isinstance(written, str) and 1 <= len(written) <= LONGEST_ID


class Model(BaseModel):
    """Frozen; unknown keys are dropped, for the original document is kept beside it."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class RetryPolicy(Model):
    """The number of attempts of a failed step, and the delay before each."""

    max_attempts: int = 1
    backoff: Literal["exponential", "linear", "fixed"] = "exponential"
    retry_on: tuple[str, ...] = ()


class Requires(Model):
    """The approval that a block asks for before the flow goes on."""

    role: str | None = None
    expires_in: Json = None
    approvals: int | None = None
    roles: tuple[str, ...] = ()


class Action(Model):
    """One entry of an `execute` list; what its type needs is checked when it runs."""

    type: str
    params: Mapping[str, Json] = {}
    continue_on_error: bool = False


class StepBase(Model):
    """The fields that any step may have."""

    id: str
    next: str | None = None
    on_error: str | None = None
    timeout: float | None = None
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"
    metadata: Mapping[str, Json] = {}
    retry: RetryPolicy = RetryPolicy()


class ConditionStep(StepBase):
    """A question with two ways out."""

    type: Literal["condition"] = "condition"
    rule_id: str | None = None
    condition: Json = None
    on_true: str | None = None
    on_false: str | None = None


class ActionStep(StepBase):
    """`allow`, `block` or `execute`; a block with `requires` pauses."""

    type: Literal["action"] = "action"
    action: Literal["allow", "block", "execute"]
    reason: str | None = None
    requires: Requires | None = None
    execute: tuple[Action, ...] = ()
    on_true: str | None = None
    on_false: str | None = None
    on_timeout: str | None = None


class ExecuteStep(StepBase):
    """A list of actions, one after the other."""

    type: Literal["execute"] = "execute"
    execute: tuple[Action, ...] = ()


class ParallelStep(StepBase):
    """Members that run side by side, each to its end."""

    type: Literal["parallel"] = "parallel"
    strategy: str = "all_must_pass"
    steps: tuple["Step", ...] = ()


class ForeachStep(StepBase):
    """The same body for each item of a list; `items` is the reference as it was written."""

    type: Literal["foreach"] = "foreach"
    items: str | None = None
    item_var: str | None = None
    steps: tuple["Step", ...] = ()


class WaitStep(StepBase):
    """A pause for an event or for a time; beside an event, `duration` is one more timeout.

    Durations stay as they are written: not understood, they fail the step.
    """

    type: Literal["wait"] = "wait"
    event: str | None = None
    match: Mapping[str, Json] = {}
    duration: Json = None
    wait_timeout: Json = None
    on_event: str | None = None
    on_timeout: str | None = None


class InvalidStep(StepBase):
    """A step that is not understood: it fails, with this error, when it is reached.

    `gate`: what an approval or a wait asks for is not understood. Then the execution stops there as
    an incident, because no weaker question may be asked instead.
    """

    type: Literal["broken"] = "broken"
    written_type: str = ""
    error: str
    gate: bool = False


Step: TypeAlias = (
    ConditionStep | ActionStep | ExecuteStep | ParallelStep | ForeachStep | WaitStep | InvalidStep
)


class Definition(Model):
    """A whole definition: the steps in order, and what surrounds them.

    `timeout_error`: why the timeout is not understood; then no execution may start.
    """

    steps: tuple[Step, ...]
    trigger: Mapping[str, Json] = {}
    context_load: tuple[str, ...] = ()
    timeout: float | None = None
    timeout_error: str | None = None

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The position of each top-level step in the list, by id."""
        return {step.id: position for position, step in enumerate(self.steps)}

    @cached_property
    def awaited(self) -> frozenset[str]:
        """The types of events that steps wait for, nested ones too."""
        return frozenset(_awaited(self.steps))

    def step(self, step_id: str) -> Step | None:
        """Return the top-level step of that id."""
        position = self.positions.get(step_id)
        return None if position is None else self.steps[position]

    def following(self, step_id: str) -> str | None:
        """Return the id of the step that stands after this one in the list."""
        position = self.positions[step_id] + 1
        return self.steps[position].id if position < len(self.steps) else None


def _awaited(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        if isinstance(step, WaitStep) and step.event:
            yield step.event
        elif isinstance(step, ParallelStep | ForeachStep):
            yield from _awaited(step.steps)
