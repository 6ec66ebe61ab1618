"""The word of another program on a pause of its own: `approved`, written to its `resume_data`.

A boolean is a decision, of nobody in particular; anything else is none. Its trigger tells that it
was written while the row is paused, for one of an earlier pause may have been left there. On our
own pauses it says nothing: there only approvals decide.
"""

from collections.abc import Sequence

from resumer_daemon.engine.answer import Manual
from resumer_daemon.engine.requests import SAID, Claimed, OpenPause, Request
from resumer_daemon.workflow.values import Json


def report(pause: OpenPause, requests: Sequence[Request]) -> Request | None:
    """Return the newest request that tells of a word on this pause, if it may have one."""
    if pause.reason != "approval_required" or _ours(pause):
        return None
    told = [request for request in requests if request.due and request.decision == SAID]
    return told[-1] if told else None


def spoken(claimed: Claimed) -> Manual | None:
    """Return the word that stands in the row, if it is a decision."""
    data = claimed.resume_data
    word: Json = data.get("approved") if isinstance(data, dict) else None
    if not isinstance(word, bool):
        return None
    return Manual("manual", None, None, {"approved": word}, approves=word)


def _ours(pause: OpenPause) -> bool:
    """Where a step of ours paused, its attempt is remembered."""
    return pause.state is None or bool(pause.state.done)
