"""The spellings of steps that hold steps: `parallel` and `foreach`."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from resumer_daemon.workflow.definition import LONGEST_ID, ForeachStep, ParallelStep, Step, is_id
from resumer_daemon.workflow.reading import Reader
from resumer_daemon.workflow.references import reference

Read: TypeAlias = Callable[[str, Reader], Step]

_STEM: Final = LONGEST_ID - 15  # a member without an id is named after its group, and its place
_STRATEGIES: Final = ("all_must_pass", "any_can_pass", "best_effort")


def parallel_step(step: Reader, common: dict[str, Any], read: Read) -> ParallelStep:
    """Read a step of type `parallel`; `read` reads its members.

    Raises:
        NotUnderstood: A part of it is not understood; what is not of a member breaks the member.
    """
    parallel = step.inner("parallel", beneath=step)
    strategy = parallel.value("strategy") or _STRATEGIES[0]
    if strategy not in _STRATEGIES:
        raise parallel.wrong("strategy", ", ".join(_STRATEGIES))
    steps = _members(parallel, common["id"], read)
    return ParallelStep(strategy=strategy, steps=steps, **common | _ways(parallel))


def foreach_step(step: Reader, common: dict[str, Any], read: Read) -> ForeachStep:
    """Read a step of type `foreach`; `read` reads the steps of its body.

    Raises:
        NotUnderstood: A part of it is not understood; what is not of a step breaks the step.
    """
    foreach = step.inner("foreach", beneath=step)
    items = foreach.text("items")
    if reference(items) is None:
        raise foreach.wrong("items", "one whole reference, such as {{order.items}}")
    item_var = foreach.text("item_var")
    if item_var is None:
        raise foreach.wrong("item_var", "the name of an item")
    steps = _members(foreach, common["id"], read)
    return ForeachStep(items=items, item_var=item_var, steps=steps, **common | _ways(foreach))


def _ways(group: Reader) -> dict[str, str | None]:
    return {"next": group.way("next", "on_pass"), "on_error": group.way("on_error", "on_fail")}


def _members(group: Reader, group_id: str, read: Read) -> tuple[Step, ...]:
    members: dict[str, Reader] = {}
    for index, (path, written) in enumerate(group.members("steps")):
        member = Reader(written, path)
        member_id = _member_id(member, f"{group_id[:_STEM]}.{index}")
        if member_id in members:
            raise member.wrong("id", "an id that no step beside it has")
        members[member_id] = member
    if not members:
        raise group.wrong("steps", "a list of steps")
    return tuple(read(member_id, member) for member_id, member in members.items())


def _member_id(member: Reader, default: str) -> str:
    written = member.value("id")
    if written is None:
        return default
    if not is_id(written):
        raise member.wrong("id", f"a text of 1 to {LONGEST_ID} characters")
    return str(written)
