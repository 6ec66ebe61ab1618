"""The same body for each item of a list; how far it has come is a cursor, however long the list."""

from resumer_daemon.engine.place import Place
from resumer_daemon.engine.progress import Progress
from resumer_daemon.engine.steps.body import Body, run_body
from resumer_daemon.engine.steps.members import check_size, within
from resumer_daemon.engine.verdict import Broken, Passed, Unfinished, Verdict, output
from resumer_daemon.engine.walk import Walk
from resumer_daemon.workflow.definition import ForeachStep
from resumer_daemon.workflow.errors import Fault, FieldNotFound
from resumer_daemon.workflow.templates import follow, reference
from resumer_daemon.workflow.values import MISSING, Json

INDEX = "_index"


def run_foreach(step: ForeachStep, place: Place, walk: Walk, progress: Progress) -> Verdict:
    """Run the items that are left; the first failure ends the step.

    Raises:
        Fault: Steps, items or the name of an item are missing, or there are too many items.
    """
    check_size(step, place, walk)
    if not step.item_var:
        raise Fault(f"foreach {step.id}: no item_var")
    items = _items(step, place, walk)
    scope = dict(place.context)
    shared = within(step, place, progress)._replace(context=scope)
    body = Body.of(step.steps)
    while progress.item < len(items):
        # One scope for all: nothing keeps what an item has seen.
        scope[step.item_var] = items[progress.item]
        scope[INDEX] = scope[f"{step.item_var}_index"] = progress.item
        path = f"{place.path}/{progress.item}"
        end = run_body(body, shared._replace(path=path), walk, progress)
        match end:
            case Unfinished():
                return end
            case Broken(error, _, final, failed_as):
                data = {"items": len(items), "completed": progress.item}
                failed = output("foreach", False, None, data)
                failed_at = body.steps[progress.at].id
                error = f"foreach item {progress.item} failed: {failed_at}: {error}"
                return Broken(error, failed, final, failed_as)
        progress.item += 1
        progress.at = progress.taken = progress.rested = 0
    return Passed(output("foreach", True, None, {"items": len(items)}), step.next)


def _items(step: ForeachStep, place: Place, walk: Walk) -> list[Json]:
    if not step.items:
        raise Fault(f"foreach {step.id}: no items")
    path = reference(step.items)
    if path is None:
        raise Fault(f"foreach {step.id}: items are no reference to a list: {step.items}")
    items = follow(path, place.context)
    if items is MISSING:
        raise FieldNotFound(path)
    if not isinstance(items, list):
        raise Fault(f"foreach {step.id}: items are no list: {path}")
    if len(items) > walk.world.limits.items:
        most = walk.world.limits.items
        raise Fault(f"foreach {step.id}: {len(items)} items, at most {most} can run")
    return items
