"""The typed model of a workflow definition. Every dialect is parsed into it.

`workflow/parser.py` makes these models, and the engine reads nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final, Literal, TypeAlias, TypeGuard

from pydantic import BaseModel, ConfigDict

from resumer_daemon.workflow.values import Json

LONGEST_ID: Final = 255
"""The most characters in the id of a step."""

NESTED: Final = 8
"""The deepest nesting of `parallel` and `foreach`."""

WIDEST: Final = 64
"""The most steps of a `parallel`, or of the body of a `foreach`."""


def is_id(written: object) -> TypeGuard[str]:
    """Tell whether a value can be the id of a step."""
    return isinstance(written, str) and 1 <= len(written) <= LONGEST_ID


class Model(BaseModel):
    """A frozen model. Unknown keys are dropped, because the original document is stored too."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class RetryPolicy(Model):
    """The number of attempts of a failed step, and the delay before each."""

    max_attempts: int = 1
    backoff: Literal["exponential", "linear", "fixed"] = "exponential"
    retry_on: tuple[str, ...] = ()


class Requires(Model):
    """The approval that a block requires before the flow continues."""

    role: str | None = None
    expires_in: Json = None
    approvals: int | None = None
    roles: tuple[str, ...] = ()


class Action(Model):
    """One entry of an `execute` list. Its parameters are checked when it runs."""

    type: str
    params: Mapping[str, Json] = {}
    continue_on_error: bool = False


class StepBase(Model):
    """The fields of every step."""

    id: str
    next: str | None = None
    on_error: str | None = None
    timeout: float | None = None
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"
    metadata: Mapping[str, Json] = {}
    retry: RetryPolicy = RetryPolicy()


class ConditionStep(StepBase):
    """A condition with a next step for each result."""

    type: Literal["condition"] = "condition"
    rule_id: str | None = None
    condition: Json = None
    on_true: str | None = None
    on_false: str | None = None


class ActionStep(StepBase):
    """An `allow`, `block` or `execute` step. A block with `requires` pauses."""

    type: Literal["action"] = "action"
    action: Literal["allow", "block", "execute"]
    reason: str | None = None
    requires: Requires | None = None
    execute: tuple[Action, ...] = ()
    on_true: str | None = None
    on_false: str | None = None
    on_timeout: str | None = None


class ExecuteStep(StepBase):
    """A list of actions, which run in order."""

    type: Literal["execute"] = "execute"
    execute: tuple[Action, ...] = ()


class ParallelStep(StepBase):
    """Members that run side by side."""

    type: Literal["parallel"] = "parallel"
    strategy: str = "all_must_pass"
    steps: tuple["Step", ...] = ()


class ForeachStep(StepBase):
    """A body that runs for each item of a list. `items` is the reference as written."""

    type: Literal["foreach"] = "foreach"
    items: str | None = None
    item_var: str | None = None
    steps: tuple["Step", ...] = ()


class WaitStep(StepBase):
    """A pause for an event or for a time. Beside an event, `duration` is another timeout.

    Durations stay as written. An invalid one fails the step.
    """

    type: Literal["wait"] = "wait"
    event: str | None = None
    match: Mapping[str, Json] = {}
    duration: Json = None
    wait_timeout: Json = None
    on_event: str | None = None
    on_timeout: str | None = None


class InvalidStep(StepBase):
    """A step that could not be parsed. It fails with this error when it is reached.

    `gate`: the error is in an approval or a wait. The execution then stops as an incident, because
    it must not continue with a weaker approval.
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

    `timeout_error` is set if the timeout is invalid. Then no execution can start.
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
        """The types of events that steps wait for, also inside containers."""
        return frozenset(_awaited(self.steps))

    def step(self, step_id: str) -> Step | None:
        """Return the top-level step with this id, None if there is none."""
        position = self.positions.get(step_id)
        return None if position is None else self.steps[position]

    def following(self, step_id: str) -> str | None:
        """Return the id of the next step in the list, None after the last one."""
        position = self.positions[step_id] + 1
        return self.steps[position].id if position < len(self.steps) else None


def _awaited(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        if isinstance(step, WaitStep) and step.event:
            yield step.event
        elif isinstance(step, ParallelStep | ForeachStep):
            yield from _awaited(step.steps)
