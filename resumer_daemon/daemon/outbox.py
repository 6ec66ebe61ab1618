"""Deliver notifications from the outbox, with retries, at least once to each recipient.

No transaction is open and no connection is in use while a channel is called.
"""

import asyncio
from random import Random

import structlog

from resumer_daemon.effects.channels import NotTried, Routes, Undelivered, deliver
from resumer_daemon.store import outbox
from resumer_daemon.store.claim import UNBOUNDED
from resumer_daemon.store.outbox import Message
from resumer_daemon.store.session import Pool
from resumer_daemon.telemetry.metrics import Metrics
from resumer_daemon.workflow.values import to_text

log = structlog.get_logger()

CONCURRENCY = 8
"""Messages that are delivered at once."""

FIRST_RETRY, LAST_RETRY = 5.0, 3600.0
"""Seconds between two attempts. They double from the first to the last."""


class OutboxDispatcher:
    """Delivers due messages, each up to `attempts` times.

    A message that is neither settled nor postponed is due again `lease` seconds after its claim.
    """

    def __init__(
        self, pool: Pool, routes: Routes, attempts: int, lease: float, metrics: Metrics
    ) -> None:
        self._pool = pool
        self._routes = routes
        self._attempts = attempts
        self._lease = lease
        self._metrics = metrics
        self._random = Random()  # noqa: S311 - jitter
        self._task: asyncio.Task[None] | None = None

    def dispatch_due(self, lookback: float = UNBOUNDED) -> None:
        """Start to deliver messages that became due in the last `lookback` seconds.

        Do nothing while an earlier call is still delivering.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._deliver_due(lookback))
            self._task.add_done_callback(_log_failure)

    async def drain(self, seconds: float) -> None:
        """Wait for messages that are being delivered. The rest is due again after its lease."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()

    async def _deliver_due(self, lookback: float) -> None:
        while messages := await self._claim(lookback):
            await asyncio.gather(*map(self._deliver, messages))

    async def _claim(self, lookback: float) -> list[Message]:
        async with self._pool.session() as session:
            return await outbox.claim(session, CONCURRENCY, self._lease, lookback)

    async def _deliver(self, message: Message) -> None:
        """Make one attempt at each recipient that has not received the message yet."""
        delivered, failures, retryable, attempted = list(message.delivered_to), [], False, True
        channel = message.body.get("channel")
        for recipient in map(to_text, message.body["recipients"]):
            if recipient in delivered:
                continue
            address = self._routes.address(recipient, None if channel is None else to_text(channel))
            if address is None:
                failures.append(f"no route for {recipient} (RESUMER_NOTIFICATION_ROUTES)")
                continue
            try:
                await asyncio.to_thread(
                    deliver, address, to_text(message.body["message"]), message.key
                )
                delivered.append(recipient)
            except (Undelivered, NotTried) as failure:
                retryable, attempted = True, attempted and not isinstance(failure, NotTried)
                failures.append(f"{recipient}: {failure}")
        if attempted:
            await self._settle(message, delivered, failures, retryable=retryable)
        else:
            await self._postpone(message, delivered, "; ".join(failures))

    async def _postpone(self, message: Message, delivered: list[str], error: str) -> None:
        """Make the message due soon. A shortage of this daemon is not an attempt."""
        async with self._pool.session() as session:
            await outbox.postpone(session, message, delivered, error, FIRST_RETRY)
        log.warning("message_not_sent", key=message.key, error=error)

    async def _settle(
        self, message: Message, delivered: list[str], failures: list[str], *, retryable: bool
    ) -> None:
        """Record an attempt. `retryable` is False when only routes are missing."""
        if not failures:
            state = "delivered"
        elif not retryable or message.attempt >= self._attempts:
            state = "dead"
        else:
            state = "pending"
        error = "; ".join(failures) or None
        longest = min(LAST_RETRY, FIRST_RETRY * 2.0 ** (message.attempt - 1))
        delay = self._random.uniform(longest / 2, longest)
        async with self._pool.session() as session:
            await outbox.settle(session, message, state, delivered, error, delay)
        self._metrics.messages.labels("failed" if state == "pending" else state).inc()
        if state == "dead":
            log.error("message_dead", key=message.key, execution=message.execution, error=error)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        # the messages that it had claimed are due again after their lease
        log.error("outbox_dispatch_failed", error=repr(error))
