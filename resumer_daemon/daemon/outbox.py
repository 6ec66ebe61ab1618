"""Deliver notifications from the outbox, with retries, at least once.

No transaction is open and no connection is held while a channel is called.
"""

import asyncio
from random import Random

import structlog

from resumer_daemon.effects.channels import NotTried, Routes, Undelivered, deliver
from resumer_daemon.store import outbox
from resumer_daemon.store.claim import ALL
from resumer_daemon.store.outbox import Message
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.workflow.values import to_text

log = structlog.get_logger()

AT_ONCE = 8
FIRST, LAST = 5.0, 3600.0  # seconds between two attempts, doubling


class OutboxDispatcher:
    """Takes what is due when it is told to look; `attempts` is how often a message is tried."""

    def __init__(
        self, pool: Pool, routes: Routes, attempts: int, lease: float, metrics: Metrics
    ) -> None:
        self._pool = pool
        self._routes = routes
        self._attempts = attempts
        self._lease = lease
        self._metrics = metrics
        self._random = Random()  # noqa: S311 - jitter
        self._round: asyncio.Task[None] | None = None

    def look(self, back: float = ALL) -> None:
        """Deliver what became due so many seconds `back`, unless that is being done already."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._deliver_due(back))
            self._round.add_done_callback(_ended)

    async def drain(self, seconds: float) -> None:
        """Let the messages in hand end; what does not in time is due again after the lease."""
        if self._round is not None:
            await asyncio.wait([self._round], timeout=seconds)
            self._round.cancel()

    async def _deliver_due(self, back: float) -> None:
        while messages := await self._claimed(back):
            await asyncio.gather(*map(self._deliver, messages))

    async def _claimed(self, back: float) -> list[Message]:
        async with self._pool.session() as session:
            return await outbox.claim(session, AT_ONCE, self._lease, back)

    async def _deliver(self, message: Message) -> None:
        """Make one attempt at everybody who has not been reached yet."""
        reached, failures, hopeless, tried = list(message.reached), [], True, True
        channel = message.body.get("channel")
        for recipient in map(to_text, message.body["recipients"]):
            if recipient in reached:
                continue
            address = self._routes.address(recipient, None if channel is None else to_text(channel))
            if address is None:
                failures.append(f"no route for {recipient} (RESUMER_NOTIFICATION_ROUTES)")
                continue
            try:
                await asyncio.to_thread(
                    deliver, address, to_text(message.body["message"]), message.key
                )
                reached.append(recipient)
            except (Undelivered, NotTried) as failure:
                hopeless, tried = False, tried and not isinstance(failure, NotTried)
                failures.append(f"{recipient}: {failure}")
        if tried:
            await self._settle(message, reached, failures, hopeless=hopeless)
        else:
            await self._postpone(message, reached, "; ".join(failures))

    async def _postpone(self, message: Message, reached: list[str], error: str) -> None:
        """Try it again soon: what a shortage of ours has prevented is not an attempt."""
        async with self._pool.session() as session:
            await outbox.postpone(session, message, reached, error, FIRST)
        log.warning("message_not_sent", key=message.key, error=error)

    async def _settle(
        self, message: Message, reached: list[str], failures: list[str], *, hopeless: bool
    ) -> None:
        """Record it. Where no recipient has a route, another attempt would change nothing."""
        if not failures:
            state = "delivered"
        elif hopeless or message.attempt >= self._attempts:
            state = "dead"
        else:
            state = "pending"
        error = "; ".join(failures) or None
        longest = min(LAST, FIRST * 2.0 ** (message.attempt - 1))
        pause = self._random.uniform(longest / 2, longest)
        async with self._pool.session() as session:
            await outbox.settle(session, message, state, reached, error, pause)
        self._metrics.messages.labels("failed" if state == "pending" else state).inc()
        if state == "dead":
            log.error("message_dead", key=message.key, execution=message.execution, error=error)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        # what it had in hand is due again when its time is over
        log.error("outbox_dispatch_failed", error=repr(error))
