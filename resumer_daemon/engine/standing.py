"""Standing: an execution as it would be read once what an advance came to is recorded."""

from dataclasses import replace
from typing import TypeAlias, assert_never

from resumer_daemon.engine.outcome import (
    Advance,
    Completed,
    Failed,
    Incident,
    NewApproval,
    Paused,
)
from resumer_daemon.engine.requests import Approval, Claimed, OpenPause
from resumer_daemon.engine.resume import resume_data_at_pause
from resumer_daemon.engine.state import State
from resumer_daemon.workflow.values import Json

Stop: TypeAlias = Paused | Completed | Failed | Incident


def stands(claimed: Claimed, stop: Stop, advanced: Advance, data: dict[str, Json]) -> Claimed:
    """Return the execution at this stop; `data` is what its resume brought."""
    created = (_pending(each) for each in advanced.writes if isinstance(each, NewApproval))
    stood = replace(
        claimed,
        requests=(),
        approvals=(*claimed.approvals, *created),
        resume_data=resume_data_at_pause(data),
        pause=None,
    )
    match stop:
        case Completed():
            return replace(stood, status="completed")
        case Failed():
            return replace(stood, status="failed")
        case Incident():
            return replace(stood, status="paused")
        case Paused():
            pause = _opened(stood, stop, advanced.state)
            return replace(stood, status="paused", pause=pause, last_pause=pause.number)
        case _:
            assert_never(stop)


def _opened(claimed: Claimed, paused: Paused, state: State) -> OpenPause:
    there = frozenset(approval.id for approval in claimed.approvals)
    asked = tuple(a for branch in paused.branches for a in branch.asked) or paused.asked
    return OpenPause(
        number=claimed.last_pause + 1,
        reason=paused.reason,
        step_id=paused.step_id,
        ways=paused.ways,
        waiting=paused.waiting,
        state=state,
        definition=None,
        asked=asked,
        earlier=there.difference(asked),
    )


def _pending(asked: NewApproval) -> Approval:
    expires_at = asked.expires_at.isoformat() if asked.expires_at else None
    return Approval(
        asked.id, asked.request_id, "pending", asked.approver_id, asked.approver_role,
        expires_at=expires_at,
    )  # fmt: skip
