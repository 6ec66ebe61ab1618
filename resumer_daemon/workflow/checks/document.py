"""The names, the trigger and the context of a definition."""

from typing import Final

from resumer_daemon.workflow.checks.finding import Findings, error, warning
from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.reading import Reader
from resumer_daemon.workflow.wording import kind, shown

_NAMES: Final = "workflow_id", "version", "name"


def check_document(document: dict[str, Json], inner: Reader) -> Findings:
    """Check what surrounds the steps; `inner` is the part that holds them."""
    yield from _names(document)
    yield from _trigger(inner)
    yield from _context(inner)
    if not inner.value("steps"):
        yield error(f"{inner.path}.steps", "expected a step")


def _names(document: dict[str, Json]) -> Findings:
    # An inner part alone has none of them: there the columns of its row have the names.
    report = error if {*_NAMES, "definition"} & document.keys() else warning
    for name in _NAMES:
        written = document.get(name)
        if not isinstance(written, str) or not written.strip():
            found = "a blank text" if isinstance(written, str) and written else kind(written)
            yield report(f"$.{name}", f"expected a text, found {found}")


def _trigger(inner: Reader) -> Findings:
    path, written = inner.located("trigger")
    if not isinstance(written, dict):
        yield error(path, f"expected a trigger, found {kind(written)}")
        return
    trigger = Reader(written, path)
    match trigger.value("type"):
        case "event":
            yield from _event(trigger)
        case "schedule":
            if not isinstance(trigger.value("cron", "schedule"), str):
                yield error(f"{path}.cron", "expected a schedule, as cron or as schedule")
        case "manual":
            pass
        case other:
            yield error(f"{path}.type", f"expected event, schedule or manual, found {shown(other)}")


def _event(trigger: Reader) -> Findings:
    path, event = trigger.located("event")
    if not isinstance(event, str):
        yield error(path, f"expected the type of an event, found {kind(event)}")
    elif "*" in event[:-1]:
        yield warning(path, "only a * at the end stands for anything")


def _context(inner: Reader) -> Findings:
    path, written = inner.located("context")
    load = written.get("load") if isinstance(written, dict) else None
    if written is not None and not isinstance(written, dict):
        yield warning(path, f"expected an object, found {kind(written)}; it is ignored")
    if load is not None and not isinstance(load, list):
        yield warning(f"{path}.load", f"expected a list, found {kind(load)}; it is ignored")
    for index, member in enumerate(load if isinstance(load, list) else []):
        if not isinstance(member, str) or not member:
            found = kind(member)
            yield warning(f"{path}.load[{index}]", f"expected a path, found {found}; it is ignored")
