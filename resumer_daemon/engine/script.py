"""The script of a simulation: answers that nobody gave yet, each taken by what waits for it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from resumer_daemon.engine.answer import Answer
from resumer_daemon.engine.requests import VERDICTS, Approval, Claimed, OpenPause, Request
from resumer_daemon.engine.settle import settle
from resumer_daemon.frozen import frozen
from resumer_daemon.workflow.templates import rfc3339
from resumer_daemon.workflow.values import Json

Answers: TypeAlias = Mapping[str, Answer]
Word: TypeAlias = Literal["approved", "rejected", "expired", "timeout", "event"]

_REQUEST: Final = 0


@frozen
class Emitted:
    """An event that somebody would write."""

    type: str
    payload: Json


@frozen
class Script:
    """Words in their order, one a pause, and the events that there are.

    A wait without a word takes an event that fits; `timeout` and `event` say which comes first.
    """

    words: tuple[Word, ...] = ()
    events: tuple[Emitted, ...] = ()


def take(claimed: Claimed, script: Script, now: datetime) -> tuple[Answers, Script]:
    """Return what answers branches of an execution's pause, by path, and the script without it.

    What is written already comes first. None at all: nothing that is left of the script does.
    """
    pause = claimed.pause
    if claimed.status != "paused" or pause is None or pause.reason == "incident":
        return {}, script
    answers = settle(claimed).answers
    if answers:
        return answers, script
    if pause.reason == "approval_required":
        return _decision(claimed, pause, script, now)
    if script.words[:1] == ("timeout",):
        return _timeout(claimed, pause, script)
    return _event(claimed, pause, script)


def _decision(
    claimed: Claimed, pause: OpenPause, script: Script, now: datetime
) -> tuple[Answers, Script]:
    """Let the approvers decide: all who are asked approve, or one refuses."""
    word = next(iter(script.words), None)
    if word not in VERDICTS:
        return {}, script
    branch, owned = pause.asking(claimed.approvals)[0]
    pending = [each for each in owned if each.status == "pending"]
    missing = range((branch.waiting.approvals or 1) - len(owned))
    unasked = [_unasked(pause.number, number) for number in missing]
    deciding = [*pending, *unasked] if word == "approved" else [*pending, *unasked][:1]
    said = {a.id: a._replace(status=word, decided_at=rfc3339(now)) for a in deciding}
    approvals = (said.get(each.id, each) for each in (*claimed.approvals, *unasked))
    answers = settle(replace(claimed, approvals=tuple(approvals))).answers
    return answers, replace(script, words=script.words[1:]) if answers else script


def _unasked(pause: int, number: int) -> Approval:
    """Return one of the approvals that a pause needs and nobody has asked for yet."""
    return Approval(UUID(int=pause << 32 | number), f"unasked_{pause}_{number}", "pending")


def _event(claimed: Claimed, pause: OpenPause, script: Script) -> tuple[Answers, Script]:
    awaited = {branch.waiting.event for branch in pause.branches}
    for number, event in enumerate(script.events):
        if event.type not in awaited:
            continue
        answers = _settled(
            claimed, Request(_REQUEST, "event", decision=event.type, payload=event.payload)
        )
        if answers:
            said = script.words[:1] == ("event",)
            left = script.events[:number] + script.events[number + 1 :]
            return answers, Script(script.words[said:], left)
    return {}, script


def _timeout(claimed: Claimed, pause: OpenPause, script: Script) -> tuple[Answers, Script]:
    due = [each for each in pause.branches if each.waiting.due_at is not None]
    if not due:
        return {}, script
    answers = _settled(claimed, Request(_REQUEST, "timeout", decision=due[0].path))
    return answers, replace(script, words=script.words[1:]) if answers else script


def _settled(claimed: Claimed, request: Request) -> Answers:
    return settle(replace(claimed, requests=(request,))).answers
