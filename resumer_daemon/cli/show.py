"""`show`: one execution's whole story, in the order in which it happened."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, opened, print_json, run
from resumer_daemon.cli.options import Key
from resumer_daemon.cli.plain import escape
from resumer_daemon.cli.shown import coloured, table
from resumer_daemon.store import queries

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Moment(NamedTuple):
    """Something that happened: `became` is a status, outcome or state, `said` is in free words."""

    at: datetime
    when: str
    what: str
    became: str
    said: str = ""


def show(execution: Key, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show one execution: steps, pauses, decisions, effects and requests on one time line.

    [dim]Example: resumer-daemon show exec_5f0c77ab[/]
    """

    async def work() -> dict[str, Any]:
        async with opened(database_url, reads=True) as session:
            return await queries.show_execution(session, execution)

    found = run(work())
    print_json(found) if as_json else _print_execution(found)


def _print_execution(found: Mapping[str, Any]) -> None:
    result = f" {coloured(found['result'])}" if found["result"] else ""
    console.print(
        f"[bold]{escape(found['execution_id'])}[/] {escape(str(found['workflow']))}:"
        f" {coloured(found['status'])}{result}",
        highlight=False,
    )
    if found["error"]:
        console.print(f"  [red]{escape(found['error'])}[/]", highlight=False)
    made = table("  at (UTC)", "what", "became", "")
    for moment in timeline(found):
        made.add_row(
            f"  {escape(moment.when)}",
            escape(moment.what),
            coloured(moment.became),
            escape(moment.said),
        )
    console.print(made)


def timeline(found: Mapping[str, Any]) -> list[Moment]:
    """Return what happened, in its order; what has not happened yet is at its end."""
    moments = [
        *_steps(found["steps"]),
        *_pauses(found["pauses"]),
        *_approvals(found["approvals"]),
        *_requests(found["requests"]),
        *_effects(found["effects"]),
        *_messages(found["messages"]),
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _steps(steps: list[dict[str, Any]]) -> Iterator[Moment]:
    for step in steps:
        what = f"step {step['step']} ({step['type']})"
        yield from _at(step["at"], what, step["status"], step["error"] or step["reason"])


def _pauses(pauses: list[dict[str, Any]]) -> Iterator[Moment]:
    for pause in pauses:
        name = f"pause {pause['number']}"
        incident = pause["incident"] or {}
        said = f"at {pause['step']}: {incident.get('cause') or pause['reason']}"
        yield from _at(pause["paused_at"], name, "paused", said)
        held = pause["held"] or {}
        by = f"by {held.get('actor')}" + (f": {held['reason']}" if held.get("reason") else "")
        yield from _at(held.get("since"), name, "held", by)
        yield from _at(pause["resumed_at"], name, "resumed", f"by {pause['resumed_by']}")


def _approvals(approvals: list[dict[str, Any]]) -> Iterator[Moment]:
    for approval in approvals:
        name, role = f"approval {approval['request_id']}", approval["role"] or "anybody"
        yield from _at(approval["requested_at"], name, "asked", f"of {role}: {approval['reason']}")
        reason = f"({approval['decision_reason']})" if approval["decision_reason"] else ""
        said = " ".join(part for part in (approval["approver_id"], reason) if part)
        yield from _at(approval["decided_at"], name, approval["status"], said)


def _requests(requests: list[dict[str, Any]]) -> Iterator[Moment]:
    """Yield what people and clocks asked for; looks of our own say nothing to people."""
    for request in (r for r in requests if r["kind"] != "adopt"):
        what = f"request {request['id']} {request['kind']}"
        about = [request["decision"], request["actor"], request["reason"]]
        said = ", ".join(part for part in about if part)
        at = request["finished_at"] or request["due_at"]
        yield from _at(at, what, request["outcome"] or "open", said)


def _effects(effects: list[dict[str, Any]]) -> Iterator[Moment]:
    for effect in effects:
        what, tries = f"{effect['kind']} {effect['path']}", f"attempt {effect['attempts']}"
        said = f"{tries}: {effect['error']}" if effect["error"] else tries
        yield from _at(effect["finished_at"] or effect["intended_at"], what, effect["status"], said)


def _messages(messages: list[dict[str, Any]]) -> Iterator[Moment]:
    for message in messages:
        at = message["delivered_at"] or message["created_at"]
        yield from _at(at, f"message {message['kind']}", message["state"], message["error"])


def _at(at: str | None, what: str, became: str | None, said: str | None) -> Iterator[Moment]:
    """Yield a moment where it has a time at all; other programs may write any.

    A time that Python cannot hold is shown as it is written, before or behind all others.
    """
    if not at:
        return
    try:
        moment = datetime.fromisoformat(at)
        when = moment.strftime("%m-%d %H:%M:%S.%f")[:-3]
    except ValueError:
        past = at.startswith("-") or at.endswith("BC")
        moment, when = FIRST if past else LAST, at
    yield Moment(moment, when, what, became or "", said or "")
