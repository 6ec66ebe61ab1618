"""The script of a simulation: answers that nobody gave yet, each taken by what waits for it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from resumer_daemon.engine.answer import Answer
from resumer_daemon.engine.requests import Approval, Claimed, OpenPause, Request
from resumer_daemon.engine.settle import settle
from resumer_daemon.workflow.names import rfc3339
from resumer_daemon.workflow.values import Json

Verdict: TypeAlias = Literal["approved", "rejected", "expired"]

_REQUEST: Final = 0


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event that somebody would write."""

    type: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Script:
    """Decisions in their order, one a pause (`timeout`: a wait's time is up); events, of any."""

    decisions: tuple[Verdict | Literal["timeout"], ...] = ()
    events: tuple[Emitted, ...] = ()


def take(claimed: Claimed, script: Script, now: datetime) -> tuple[Answer | None, Script]:
    """Return what ends the pause of an execution, and the script without it.

    What is written already and ends it comes first. None: nothing that is left of the script does.
    """
    pause = claimed.pause
    if claimed.status != "paused" or pause is None:
        return None, script
    answer = settle(claimed).answer
    if answer is not None:
        return answer, script
    if pause.reason == "approval_required":
        return _decision(claimed, pause, script, now)
    return _event(claimed, pause, script) or _timeout(claimed, pause, script)


def _decision(
    claimed: Claimed, pause: OpenPause, script: Script, now: datetime
) -> tuple[Answer | None, Script]:
    """Let the approvers decide: all who are asked approve, or one refuses."""
    first, rest = script.decisions[:1], script.decisions[1:]
    if not first or first[0] == "timeout":
        return None, script
    owned = [each for each in claimed.approvals if pause.owns(each)]
    pending = [each for each in owned if each.status == "pending"]
    missing = range((pause.waiting.approvals or 1) - len(owned))
    unasked = [Approval(UUID(int=number), f"unasked_{number}", "pending") for number in missing]
    deciding = [*pending, *unasked] if first[0] == "approved" else [*pending, *unasked][:1]
    said = {a.id: a._replace(status=first[0], decided_at=rfc3339(now)) for a in deciding}
    approvals = (said.get(each.id, each) for each in (*claimed.approvals, *unasked))
    answer = settle(replace(claimed, approvals=tuple(approvals))).answer
    return answer, script if answer is None else replace(script, decisions=rest)


def _event(
    claimed: Claimed, pause: OpenPause, script: Script
) -> tuple[Answer | None, Script] | None:
    for number, event in enumerate(script.events):
        if event.type != pause.waiting.event:
            continue
        answer = _settled(claimed, Request(_REQUEST, "event", payload=event.payload))
        if answer is not None:
            rest = script.events[:number] + script.events[number + 1 :]
            return answer, replace(script, events=rest)
    return None


def _timeout(claimed: Claimed, pause: OpenPause, script: Script) -> tuple[Answer | None, Script]:
    if script.decisions[:1] != ("timeout",) or pause.waiting.due_at is None:
        return None, script
    answer = _settled(claimed, Request(_REQUEST, "timeout"))
    return answer, replace(script, decisions=script.decisions[1:])


def _settled(claimed: Claimed, request: Request) -> Answer | None:
    return settle(replace(claimed, requests=(request,))).answer
