"""Print a simulation, segment by segment.

`simulation_document` is the same for programs: both forms stand apart from the command.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from resumer_daemon.cli.common import console
from resumer_daemon.cli.output import colored_status, escape, format_comparison, short
from resumer_daemon.workflow.templates import rfc3339
from resumer_daemon.workflow.values import Json, to_text

Document = Mapping[str, Any]


def print_simulated(document: Document) -> None:
    """Print a simulation from its start to its last state."""
    for line in _lines(document):
        console.print(line, highlight=False, soft_wrap=True)


def _lines(document: Document) -> Iterator[str]:
    of = f" of {escape(document['workflow'])}" if document["workflow"] else ""
    yield f"[bold]{escape(document['execution'])}[/]{of} is {_stand(document['from'])}"
    yield from _pause(document["from"])
    for stretch in document["stretches"]:
        yield ""
        yield f"[cyan]>[/] [bold]{_resolution(stretch['answer'])}[/]"
        for step in stretch["steps"]:
            yield from _step(step)
        yield _stand(stretch["stop"])
        yield from _pause(stretch["stop"])
    if document["unused"]:
        unused = escape(", ".join(document["unused"]))
        if _last(document).get("reason") == "manual":
            yield f"[red]kept by the manual pause:[/] {unused}"
        else:
            yield f"[red]nothing waited for:[/] {unused}"


def _last(document: Document) -> Document:
    """Return the state in which a simulation ends."""
    stretches = document["stretches"]
    last: Document = stretches[-1]["stop"] if stretches else document["from"]
    return last


def _resolution(resolution: Document | None) -> str:
    if resolution is None:
        return "start"
    if "event" in resolution:
        return f"event {escape(short(resolution['event']))}"
    by = resolution.get("requests") or ([resolution["actor"]] if resolution.get("actor") else [])
    return escape(resolution["decision"] + (f" ({', '.join(by)})" if by else ""))


def _step(step: Document) -> Iterator[str]:
    # A path inside of a container has its position, or item and position, after each slash.
    inside = step["path"] if "/" in step["path"] else ""
    indent = "  " * (2 if inside else 1)
    detail = step.get("error") or step.get("reason") or ""
    if step["type"] == "condition" and step["status"] == "completed":
        detail = "true" if step.get("result") else "false"
    detail = f" [red]{escape(detail)}[/]" if step["status"] == "failed" else f" {escape(detail)}"
    yield (
        f"{indent}[bold]{escape(step['step'])}[/] [dim]{escape(step['type'])}"
        f"{' ' + escape(inside) if inside else ''}[/]{detail.rstrip()}"
    )
    for each in step.get("comparisons", ()):
        yield f"{indent}    {escape(format_comparison(each))}"
    for each in step.get("actions", ()):
        for line in _action(each):
            yield f"{indent}    {line}"
    if step.get("unresolved"):
        yield f"{indent}    [yellow]unresolved:[/] {escape(', '.join(step['unresolved']))}"


def _action(action: Mapping[str, Json]) -> Iterator[str]:
    """Return an action with its rendered parameters. A request begins with method and address."""
    parameters = {name: value for name, value in action.items() if value is not None}
    kind = to_text(parameters.pop("type", ""))
    failed = "" if parameters.pop("success", True) else " [red]fails[/]"
    target = [parameters.pop(name) for name in ("method", "url") if name in parameters]
    yield f"{escape(' '.join([kind, *map(to_text, target)]))}{failed}"
    for name, value in parameters.items():
        if value not in ("", {}, []):
            yield f"  [dim]{escape(name)}:[/] {escape(to_text(value))}"


def _stand(stands: Document) -> str:
    status = colored_status(stands["status"])
    if "step" in stands:
        return f"{status} at [bold]{escape(stands['step'] or '?')}[/]: {escape(stands['reason'])}"
    if "result" in stands:
        why = stands.get("reason")
        return f"{status} as {colored_status(stands['result'])}{f': {escape(why)}' if why else ''}"
    why = stands.get("error") or stands.get("reason")
    return f"{status}{f': {escape(why)}' if why else ''}"


def _pause(stands: Document) -> Iterator[str]:
    """Return the approvers or the event of a pause, and the next step of each decision."""
    if stands["status"] != "paused":
        return
    if stands.get("reason") == "manual":
        yield "    paused manually: decisions are kept until `resumer-daemon resume`"
    yield from _branch(stands)
    for other in stands.get("beside", ()):
        yield f"  and {escape(other['reason'])} at [bold]{escape(str(other['step']))}[/]"
        yield from _branch(other)


def _branch(stands: Document) -> Iterator[str]:
    for each in stands.get("asked", ()):
        who = each.get("role") or each.get("approver_id") or "anybody"
        until = f", until {_moment(each['expires_at'])}" if each.get("expires_at") else ""
        why = f": {each['reason']}" if each.get("reason") else ""
        status = "waits for" if each["status"] == "pending" else each["status"]
        detail = escape(f"({each['request_id']}{until}){why}")
        yield f"    {status} [bold]{escape(str(who))}[/] {detail}"
    if "event" in stands:
        match = f" where {short(stands['match'])}" if "match" in stands else ""
        yield f"    waits for event [bold]{escape(stands['event'])}[/]{escape(match)}"
    if "due_at" in stands:
        yield f"    until {_moment(stands['due_at'])}"
    if "incident" in stands:
        what = stands["incident"]
        yield f"    {escape(what['cause'])}: {escape(what['detail'])}; {escape(what['remedy'])}"
    leads = (
        f"{decision}: {target or 'the end'}" for decision, target in stands.get("ways", {}).items()
    )
    if ways := ", ".join(leads):
        yield f"    [dim]{escape(ways)}[/]"


def _moment(moment: datetime | str) -> str:
    """Return a moment to the second. A time that Python cannot hold is returned unchanged."""
    return rfc3339(moment) if isinstance(moment, datetime) else moment
