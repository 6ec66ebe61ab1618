"""The moves that are possible for an execution now, with their next steps and their needs."""

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from resumer_daemon.api.caller import Permission
from resumer_daemon.workflow.values import Json, load

ENDLESS = ("pending", "running", "waiting", "paused")
NEEDS = {
    "pause": Permission.PAUSE,
    "resume": Permission.RESUME,
    "retry": Permission.RESUME,
    "cancel": Permission.CANCEL,
}

Moves = Iterator[dict[str, Json]]


def moves_of(row: Mapping[str, Any]) -> Moves:
    """Yield the moves, the likeliest first, for what `sql/read_options.sql` found."""
    if row["status"] not in ENDLESS:
        return
    if row["status"] == "paused":
        yield from _onwards(row, load(row["ways"] or "{}"))
    if row["reason"] not in ("manual", "incident"):
        yield _option("pause", "hold it: decisions are kept until it is resumed", {}, None)
    yield _option("cancel", "end it without a result", {}, None)


def _onwards(row: Mapping[str, Any], ways: Mapping[str, str | None]) -> Moves:
    match row["reason"]:
        case "approval_required":
            yield from _for_an_approval(row["asked"], row["pause_number"], ways)
        case "waiting_for_event" | "waiting_for_time":
            yield _option("resume", "go on as if it had come", {}, ways.get("event"))
        case "manual" if row["over"] is not None:
            yield _option("resume", f"wait again: {row['over']}", {}, None)
        case "manual":
            yield _option("resume", "go on from where it was stopped", {}, row["step"])
        case "incident":
            yield from _after_an_incident(row["effects"], row["step"])
        case _:
            yield _option("resume", "go on from where another program paused it", {}, None)


def _for_an_approval(asked: list[str], pause_number: int, ways: Mapping[str, str | None]) -> Moves:
    for request in asked:
        told = f"{_command(request)}, reject, or a plain UPDATE of its status"
        yield _option("decide", told, {}, ways.get("approved"))
    forced: dict[str, Json] = {"force": True, "reason": "...", "pause_number": pause_number}
    yield _option("resume", "go on without the approval", forced, ways.get("approved"))
    refused = {**forced, "data": {"approved": False}}
    yield _option("resume", "refuse without the approval", refused, ways.get("refused"))


def _command(request: str) -> str:
    """Return how to approve in a shell; without the request where no argument is safe to paste."""
    if not request.isprintable() or request.startswith("-"):
        return "resumer-daemon approve"
    return f"resumer-daemon approve {quote(request)}"


def _after_an_incident(effects: list[str], step: str | None) -> Moves:
    yield _option("retry", "go on from where it stood", {}, step)
    for key in effects:
        skipped: dict[str, Json] = {"skip_effect": key, "reason": "..."}
        yield _option("retry", "go on, this webhook taken as done", skipped, step)


def _option(move: str, says: str, body: dict[str, Json], leads_to: str | None) -> dict[str, Json]:
    return {"move": move, "says": says, "body": body, "leads_to": leads_to}
