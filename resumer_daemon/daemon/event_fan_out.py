"""Hand events over to the executions that wait, in portions that a statement can finish.

It stands apart from the worker, whose loop does not depend on how events are portioned.
"""

import psycopg

from resumer_daemon.store.inbox import ALL_WAITS, EVENTS_AT_ONCE, discard_events, fan_out_events
from resumer_daemon.store.session import Session
from resumer_daemon.telemetry.metrics import Metrics

LEAST_WIDTH = ALL_WAITS // 4**8  # no number of waits makes a slice of this width slow


class EventFanOut:
    """Fans out events, and learns how many at once a statement can finish.

    `route`: events also start the workflows that they trigger.
    """

    def __init__(self, metrics: Metrics, *, route: bool) -> None:
        self._metrics = metrics
        self._route = route
        self._events = EVENTS_AT_ONCE
        self._width = ALL_WAITS

    async def run_once(self, session: Session, after: int) -> bool:
        """Hand over some events behind the id `after`. Tell whether there may be more.

        Where all events are captured, those that nobody waits for are discarded first. After a
        statement that took too long there are fewer events. A single event that takes too long is
        handed over in slices of the waiting executions.

        Raises:
            psycopg.errors.QueryCanceled: The smallest slice took too long.
        """
        if self._route and await discard_events(session, after):
            return True
        try:
            outcomes = await fan_out_events(
                session, route=self._route, most=self._events, width=self._width, after=after
            )
        except psycopg.errors.QueryCanceled:
            if self._width <= LEAST_WIDTH:
                raise
            self._shrink()
            return True
        ended = [outcome for outcome in outcomes if outcome is not None]
        self._grow(any_ended=bool(ended))
        for outcome in ended:
            self._metrics.requests.labels("event", outcome).inc()
        return bool(outcomes)

    def _shrink(self) -> None:
        if self._events == 1:
            self._width //= 4
        self._events = max(1, self._events // 4)

    def _grow(self, *, any_ended: bool) -> None:
        if any_ended:
            self._width = min(ALL_WAITS, self._width * 2)
        if self._width == ALL_WAITS:
            self._events = min(EVENTS_AT_ONCE, self._events * 2)
