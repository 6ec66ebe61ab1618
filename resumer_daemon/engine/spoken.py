"""The word of another program on a pause of its own: `approved` in the row's `resume_data`.

A boolean there is a decision, of nobody in particular; anything else is none. In our own pauses it
says nothing: there only approvals decide.
"""

from collections.abc import Sequence

from resumer_daemon.engine.answer import Manual
from resumer_daemon.engine.requests import Claimed, OpenPause, Request
from resumer_daemon.workflow.values import MISSING, Json, Missing


def spoken(pause: OpenPause, claimed: Claimed) -> Manual | None:
    """Return the decision that stands in the row, if one does."""
    word = _word(pause, claimed)
    return Manual("manual", None, None, {"approved": word}) if isinstance(word, bool) else None


def is_gibberish(pause: OpenPause, claimed: Claimed) -> bool:
    """Tell whether something stands there that is no decision."""
    word = _word(pause, claimed)
    return word is not MISSING and not isinstance(word, bool)


def reporting(requests: Sequence[Request]) -> Request | None:
    """Return the newest request that says that somebody wrote the row."""
    told = [r for r in requests if r.kind == "adopt" and r.due and r.decision is None]
    return told[-1] if told else None


def _word(pause: OpenPause, claimed: Claimed) -> Json | Missing:
    if pause.reason != "approval_required" or not pause.foreign:
        return MISSING
    data = claimed.resume_data
    return data.get("approved", MISSING) if isinstance(data, dict) else MISSING
