"""A person's hand on an execution: laid over a pause, taken off it, or the pause itself."""

from resumer_daemon.engine.answer import Manual
from resumer_daemon.engine.outcome import Outcome, Paused
from resumer_daemon.engine.plan import Plan
from resumer_daemon.engine.requests import Claimed, Settled
from resumer_daemon.engine.settle import Settlement


def hold(claimed: Claimed, settlement: Settlement) -> Plan:
    """Plan for a person's hand on a pause: it keeps what it waits for, and what arrives is kept."""
    return Plan(claimed, settlement.outcomes, settlement, holds=claimed.stops)


def let_go(claimed: Claimed, settlement: Settlement, manual: Manual) -> Plan:
    """Plan for the hand taken off: the pause waits again for what it waited for.

    A forced resume stays open, for the next look: it also ends that.
    """
    asked = settlement.moved_by
    outcomes: dict[int, Settled] = {} if asked is None or manual.force else {asked.id: "applied"}
    return Plan(claimed, outcomes, settlement, lets_go=True)


def paused_as_asked(claimed: Claimed, outcome: Outcome) -> dict[int, Settled]:
    """Settle the requests to pause that made it stand still; else they wait for the next look."""
    if not isinstance(outcome, Paused) or outcome.reason != "manual":
        return {}
    return {r.id: "duplicate" if number else "applied" for number, r in enumerate(claimed.to_pause)}
