"""`check-definition`: find problems in a definition before an execution runs it."""

from typing import Final

from resumer_daemon.workflow.checks.finding import Finding, Findings, error, warning
from resumer_daemon.workflow.checks.flow import check_flow
from resumer_daemon.workflow.checks.references import check_lookups
from resumer_daemon.workflow.checks.steps import check_actions, check_condition, check_step, flows
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import inner_part, parse_definition
from resumer_daemon.workflow.reader import Reader, describe, kind
from resumer_daemon.workflow.values import Json, UnreadableJson, clean


def check(document: Json) -> list[Finding]:
    """Return the errors and warnings of a definition, ordered by subject.

    An execution fails at an error only if it reaches that step.
    """
    try:
        cleaned = clean(document)
        definition = parse_definition(cleaned)
    except UnreadableJson as unreadable:
        return [error("$", str(unreadable))]
    except DefinitionError as refused:
        return [error(refused.path, refused.reason)]
    inner = inner_part(cleaned)
    findings = list(check_document(cleaned, inner))
    if definition.timeout_error is not None:
        path, _, message = definition.timeout_error.partition(": ")
        findings.append(error(path, f"{message}, so no execution can start"))
    all_flows = list(flows(definition, inner.members("steps")))
    for flow in all_flows:
        findings += check_flow(flow)
        for site in flow.sites:
            findings += [*check_step(site, flow), *check_condition(site), *check_actions(site)]
    findings += check_lookups(definition, [site for flow in all_flows for site in flow.sites])
    return findings


_NAMES: Final = "workflow_id", "version", "name"


def check_document(document: dict[str, Json], inner: Reader) -> Findings:
    """Check the parts around the steps. `inner` is the object that holds the steps."""
    yield from _names(document)
    yield from _trigger(inner)
    yield from _context(inner)
    if not inner.value("steps"):
        yield error(f"{inner.path}.steps", "expected a step")


def _names(document: dict[str, Json]) -> Findings:
    # A definition in a row has no names, because the row's columns have them.
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
            yield error(
                f"{path}.type", f"expected event, schedule or manual, found {describe(other)}"
            )


def _event(trigger: Reader) -> Findings:
    path, event = trigger.located("event")
    if not isinstance(event, str):
        yield error(path, f"expected the type of an event, found {kind(event)}")
    elif "*" in event[:-1]:
        yield warning(path, "* is a wildcard only at the end")


def _context(inner: Reader) -> Findings:
    path, written = inner.located("context")
    load = written.get("load") if isinstance(written, dict) else None
    if written is not None and not isinstance(written, dict):
        yield warning(path, f"expected an object, found {kind(written)}, so it is ignored")
    if load is not None and not isinstance(load, list):
        yield warning(f"{path}.load", f"expected a list, found {kind(load)}, so it is ignored")
    for index, member in enumerate(load if isinstance(load, list) else []):
        if not isinstance(member, str) or not member:
            found = kind(member)
            yield warning(
                f"{path}.load[{index}]", f"expected a path, found {found}, so it is ignored"
            )
