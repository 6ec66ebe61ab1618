"""Plan a claimed execution: the one entry to the pure half of a turn."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias
from uuid import UUID

from resumer_daemon.engine import planning as plans
from resumer_daemon.engine.adopt import AGAIN, GRACE, adopt
from resumer_daemon.engine.answer import Manual
from resumer_daemon.engine.hold import hold, let_go
from resumer_daemon.engine.outcome import Incident
from resumer_daemon.engine.plan import NewPause, Plan, Program
from resumer_daemon.engine.requests import Claimed, OpenPause, Settled
from resumer_daemon.engine.retrying import retry
from resumer_daemon.engine.settle import Settlement, settle
from resumer_daemon.engine.world import World
from resumer_daemon.frozen import frozen


@frozen
class Unusable:
    """A definition that cannot be run, and why."""

    why: str


Found: TypeAlias = Program | Unusable
UnreadableCause: TypeAlias = Literal["row_unreadable", "too_large"]

REMEDIES: Mapping[UnreadableCause, str] = {
    "row_unreadable": "correct the row's documents (context, resume_data, trigger_payload),"
    " then retry",
    "too_large": "make the document smaller, or raise RESUMER_DOCUMENT_BYTES, then retry",
}


@frozen
class Programs:
    """The definitions that a batch needs: kept copies by fingerprint, current ones by id."""

    kept: Mapping[str, Found]
    current: Mapping[UUID, Found]

    def of_pause(self, pause: OpenPause) -> Found:
        """Return the copy that a pause runs on."""
        missing = Unusable("the copy of the definition that it paused with is gone")
        return self.kept.get(pause.definition or "", missing)

    def of_workflow(self, workflow: UUID | None) -> Found:
        """Return a workflow's definition as it is now."""
        found = self.current.get(workflow) if workflow is not None else None
        return found or Unusable("workflow not found")


def respond(
    claimed: Claimed, programs: Programs, world: World, last_step: str | None = None
) -> Plan:
    """Return what is to be written of an execution, now that it is claimed and read."""
    if claimed.unchecked:
        return plans.undo(claimed)
    adopted = _adopt(claimed, programs, world, last_step) if claimed.to_adopt else None
    if adopted is not None:
        return adopted
    settlement = settle(claimed)
    if settlement.cancelled:
        return plans.cancel(claimed, settlement)
    if settlement.holds:
        return hold(claimed, settlement)
    if settlement.begins:
        return _start(claimed, settlement, programs, world)
    if settlement.answer is None or claimed.pause is None:
        return plans.stay(claimed, settlement)
    if claimed.pause.lost:
        return _find(claimed, settlement, programs, last_step)
    return _end_pause(claimed, claimed.pause, settlement, programs, world)


def _end_pause(
    claimed: Claimed, pause: OpenPause, settlement: Settlement, programs: Programs, world: World
) -> Plan:
    if pause.reason == "incident":
        return _retry(claimed, pause, settlement, programs, world)
    if pause.held_before is not None and isinstance(settlement.answer, Manual):
        return let_go(claimed, settlement, settlement.answer)
    found = programs.of_pause(pause)
    if isinstance(found, Unusable):
        return plans.incident(claimed, settlement, _unreadable(found))
    return plans.move(claimed, settlement, found, world)


def broken(claimed: Claimed, why: str) -> Plan:
    """Return the plan for an execution that our own code could not answer."""
    return plans.incident(claimed, None, Incident("internal_error", why, "report it, then retry"))


def unreadable(claimed: Claimed, why: str, cause: UnreadableCause = "row_unreadable") -> Plan:
    """Return the plan for an execution of which something cannot be parsed, or is too large.

    Only what would advance stops for a person: an end stays one, what runs is let run, and a cancel
    needs no document.
    """
    if claimed.unchecked:
        return plans.undo(claimed)
    settlement = settle(claimed)
    if settlement.cancelled:
        return plans.cancel(claimed, settlement)
    if claimed.status not in ("pending", "paused") and not claimed.to_adopt:
        return plans.stay(claimed, settlement)
    return plans.incident(claimed, None, Incident(cause, why, REMEDIES[cause]))


def _start(claimed: Claimed, settlement: Settlement, programs: Programs, world: World) -> Plan:
    found = programs.of_workflow(claimed.workflow)
    if isinstance(found, Unusable):
        return plans.fail(claimed, settlement, found.why)
    return plans.start(claimed, settlement, found, world)


def _retry(
    claimed: Claimed, pause: OpenPause, settlement: Settlement, programs: Programs, world: World
) -> Plan:
    """Continue after an incident: what lay under it is back, or the flow goes on where it stood."""
    if pause.reason_before is not None:
        return Plan(claimed, _only(settlement, "applied"), settlement, lifts=True)
    found = programs.of_pause(pause) if pause.definition else programs.of_workflow(claimed.workflow)
    if isinstance(found, Unusable):
        return Plan(claimed, _only(settlement, "failed"))
    plan = retry(claimed, settlement, found, world)
    return plan or Plan(claimed, _only(settlement, "failed"))


def _only(settlement: Settlement, outcome: Settled) -> Mapping[int, Settled]:
    """Settle just the request that moved it; the others are looked at again, or stay held."""
    return {} if settlement.moved_by is None else {settlement.moved_by.id: outcome}


def _adopt(
    claimed: Claimed, programs: Programs, world: World, last_step: str | None
) -> Plan | None:
    """Give another program's pause its record; the next look, which it asks for, settles.

    None: the service has blocked it plainly, and it stays an end. Where our trigger made a pause of
    that end, it becomes one again.
    """
    found = programs.of_workflow(claimed.workflow)
    if isinstance(found, Unusable):
        plain = claimed.blocked_by_service and not claimed.approvals
        return None if plain else plans.incident(claimed, None, _unreadable(found))
    opens = adopt(claimed, found, last_step, claimed.used)
    if isinstance(opens, Incident):
        again = [r.due for r in claimed.requests if r.kind == "adopt" and r.decision == AGAIN]
        if any(again):
            return plans.incident(claimed, None, opens)
        return plans.later(claimed, None if again else world.now + GRACE)
    if opens is None:
        return plans.blocked(claimed) if claimed.status == "paused" else None
    return plans.adopted(claimed, opens)


def _find(
    claimed: Claimed, settlement: Settlement, programs: Programs, last_step: str | None
) -> Plan:
    """Look again where another program's pause stands, now that a person has mended it."""
    found = programs.of_workflow(claimed.workflow)
    opens = None if isinstance(found, Unusable) else adopt(claimed, found, last_step, claimed.used)
    if not isinstance(opens, NewPause):
        return Plan(claimed, _only(settlement, "failed"))
    outcomes = _only(settlement, "applied")
    return replace(plans.adopted(claimed, opens), outcomes=outcomes, closes="retry")


def _unreadable(found: Unusable) -> Incident:
    return Incident(
        "definition_unreadable",
        found.why,
        "correct the definition in resumer.definitions, then retry",
    )
