"""Give a pause that another program wrote its record: from its pointers, the definition, the steps.

Never by guessing: what none of them tells is an incident.
"""

from uuid import UUID

from resumer_daemon.engine.outcome import Incident, Waiting
from resumer_daemon.engine.plan import NewPause, Program
from resumer_daemon.engine.requests import Claimed
from resumer_daemon.engine.state import State
from resumer_daemon.engine.ways import approval_ways
from resumer_daemon.workflow.definition import ActionStep, Definition


def adopt(
    claimed: Claimed, program: Program, last_step: str | None, used: frozenset[UUID]
) -> NewPause | Incident:
    """Return the record of a pause for an approval. `used`: approvals that earlier pauses had."""
    step = _blocking_step(program.definition, claimed.pointers[0], last_step)
    if step is None:
        return Incident(
            "pause_without_pointer",
            f"another program paused it, at no step that asks for an approval (last: {last_step})",
            "write paused_step_id, then retry",
        )
    ways = approval_ways(step, program.definition.following(step.id))
    asked = tuple(a.id for a in claimed.approvals if a.id not in used)
    requires = step.requires
    return NewPause(
        claimed.last_pause + 1,
        "approval_required",
        step.id,
        ways,
        Waiting(
            approvals=requires.approvals if requires else None,
            roles=requires.roles if requires else (),
        ),
        State(step=step.id, visits={step.id: 1}, awaits="approval"),
        program.sha256,
        asked=asked,
        earlier=tuple(used),
    )


def _blocking_step(
    definition: Definition, pointer: str | None, last_step: str | None
) -> ActionStep | None:
    """Return the step that a program's pointer names, else the one it ran last, if it asks."""
    for name in (pointer, last_step):
        step = definition.step(name) if name else None
        if isinstance(step, ActionStep) and step.requires is not None:
            return step
    return None
