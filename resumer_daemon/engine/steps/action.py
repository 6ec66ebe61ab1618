"""An action step: `allow`, `block` or `execute`; a block that requires an approval pauses."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from resumer_daemon.engine.actions.approval import REASON, needed_approvals, rendered
from resumer_daemon.engine.actions.sequence import results, run_list
from resumer_daemon.engine.branch import Branch, Waiting
from resumer_daemon.engine.outcome import NewApproval
from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress, Reply
from resumer_daemon.engine.verdict import Broken, Passed, Pausing, Verdict, output
from resumer_daemon.engine.walk import Walk
from resumer_daemon.engine.ways import approval_ways
from resumer_daemon.workflow.definition import ActionStep, Requires
from resumer_daemon.workflow.secret_refs import mask_secrets
from resumer_daemon.workflow.templates import render_text
from resumer_daemon.workflow.values import Json

_RESULTS: Final = {"allow": "allowed", "block": "blocked", "execute": None}
_REASONS: Final = {
    "allow": "Action allowed by workflow",
    "block": "Action blocked by workflow",
    "execute": None,
}


def run_action(step: ActionStep, place: Place, walk: Walk, progress: Progress) -> Verdict:
    """Carry out the list, then allow, block, or wait for the approval."""
    if progress.reply is not None:
        return _answered(step, place, progress.reply, progress.note)
    if step.execute:
        stopped = run_list(step, place, walk, progress)
        if stopped is not None:
            return stopped
    reason, unresolved = _reason(step, place, walk, progress)
    requires = step.requires and rendered(step.requires, step, place, walk, unresolved)
    done = output(step.action, True, reason, results(progress), (*progress.unresolved, *unresolved))
    if requires is not None:
        return _pause(step, requires, done, place, walk, progress)
    return Passed(done, step.next, _RESULTS[step.action], reason)


def _pause(
    step: ActionStep,
    requires: Requires,
    done: dict[str, Json],
    place: Place,
    walk: Walk,
    progress: Progress,
) -> Pausing:
    asks: tuple[NewApproval, ...] = ()
    if not progress.asked:
        why = done["reason"] if step.reason else REASON
        asks = needed_approvals(requires, why, place, walk)
    asked = tuple(UUID(each) for each in progress.asked) or tuple(each.id for each in asks)
    branch = Branch(
        place.branch,
        step.id,
        "approval_required",
        place.ways(approval_ways(step, place.following)),
        _needed(requires, asked, asks, progress),
        asked,
        progress.began,
    )
    return Pausing(branch, done, asks)


def _needed(
    requires: Requires, asked: Sequence[UUID], asks: Sequence[NewApproval], progress: Progress
) -> Waiting:
    """Return what decides: where nothing else is said, as many approvals as the step asked for."""
    if not requires.roles:
        return Waiting(requires.approvals or len(asked))
    asked_of = {str(each.id): each.approver_role for each in asks}
    asked_of |= {
        done["id"]: done["approver_role"]
        for done in progress.results
        if isinstance(done, dict) and done.get("id") in progress.asked
    }
    return Waiting(requires.approvals, requires.roles, asked_of=asked_of)


def _answered(step: ActionStep, place: Place, reply: Reply, note: str | None) -> Verdict:
    """Go on inside of a container, where a refused approval is a failure unless a way takes it."""
    ways = approval_ways(step, place.following)
    if reply == "approved":
        return Passed(None, ways.approved)
    way = ways.refused if reply == "rejected" else ways.expired
    if place.flows and way is not None:
        return Passed(None, way)
    error = "approval rejected" if reply == "rejected" else "approval expired"
    if note:
        error = f"{error}: {note}"
    return Broken(error, output("block", False, note))


def _reason(
    step: ActionStep, place: Place, walk: Walk, progress: Progress
) -> tuple[str | None, set[str]]:
    """Return the reason rendered, and what leads nowhere in it."""
    if step.reason is None:
        return _REASONS[step.action], set()
    unresolved: set[str] = set()
    names = walk.names(step, progress.asked[-1] if progress.asked else None)
    reason = mask_secrets(render_text(step.reason, place.context, names, unresolved))
    return reason or _REASONS[step.action], unresolved
