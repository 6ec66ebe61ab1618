"""The real daemon, which kills or stops itself at a point between two durable facts.

`RESUMER_FAILPOINT` is the point, `RESUMER_FAILPOINT_SIGNAL` what it sends itself there, and
`RESUMER_FAILPOINT_HIT` at which passing. Nothing of this is in the daemon: each point is around a
function of it, which is replaced here, so a daemon that was not started by this module has none.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import structlog

from resumer_daemon.__main__ import main
from resumer_daemon.daemon.batch import BatchProcessor
from resumer_daemon.daemon.effect_sender import EffectSender
from resumer_daemon.daemon.heartbeat import Heartbeat
from resumer_daemon.daemon.lease_transactions import LeaseTransactions
from resumer_daemon.daemon.outbox import OutboxDispatcher
from resumer_daemon.store.session import Session

T = TypeVar("T")

TRANSACTIONS: dict[str, tuple[type, str]] = {
    "turn": (BatchProcessor, "process_due"),
    "record": (LeaseTransactions, "record"),
    "rescue": (LeaseTransactions, "rescue"),
    "hand_over": (LeaseTransactions, "expire"),
}
"""What commits: a point before the COMMIT is sent, and one when it is known."""

DELIVERIES: dict[str, tuple[type, str]] = {
    "take_messages": (OutboxDispatcher, "_claim"),
    "settle_message": (OutboxDispatcher, "_settle"),
}
"""The same of notifications: one is delivered after the first commit and before the second."""


def _around(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}_{when}" for name in names for when in ("uncommitted", "committed"))


POINTS = (*_around(TRANSACTIONS), "effect_unsent", "effect_answered", "beat_unsent")
DELIVERY_POINTS = _around(DELIVERIES)

CHOSEN = os.environ.get("RESUMER_FAILPOINT", "")

log = structlog.get_logger()
_under_way: ContextVar[str] = ContextVar("under_way", default="")
_passed = 0


def reach(point: str) -> None:
    """Be at a point: where it is the one that was chosen, and the hit, send ourselves a signal."""
    global _passed  # noqa: PLW0603 - one process, one point
    if point != CHOSEN:
        return
    _passed += 1
    if _passed == int(os.environ["RESUMER_FAILPOINT_HIT"]):
        log.warning("failpoint", point=point)
        os.kill(os.getpid(), signal.Signals[os.environ["RESUMER_FAILPOINT_SIGNAL"]])


def around_transactions() -> None:
    """Put points before and after each COMMIT that moves an execution or a message."""
    transaction = Session.transaction

    @asynccontextmanager
    async def watched(self: Session) -> AsyncIterator[None]:
        name = _under_way.get()
        async with transaction(self):
            yield
            wrote = name != "" and await _has_written(self)
            if wrote:
                reach(f"{name}_uncommitted")
        if wrote:
            reach(f"{name}_committed")

    _replace(Session, "transaction", watched)
    for name, (where, method) in (TRANSACTIONS | DELIVERIES).items():
        _replace(where, method, _named(name, getattr(where, method)))


async def _has_written(session: Session) -> bool:
    """A look that finds nothing commits nothing."""
    cursor = await session.connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    row = await cursor.fetchone()
    return bool(row and row[0])


def _named(name: str, work: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    async def named(*given: Any, **options: Any) -> T:
        token = _under_way.set(name)
        try:
            return await work(*given, **options)
        finally:
            _under_way.reset(token)

    return named


def around_effects() -> None:
    """Put points before an effect is sent and after it was answered."""
    attempt = EffectSender._attempt

    async def watched(self: EffectSender, held: Any, effect: Any) -> Any:
        reach("effect_unsent")
        if CHOSEN.startswith("hand_over"):
            os.kill(os.getpid(), signal.SIGTERM)
        if CHOSEN.startswith(("hand_over", "beat")):
            await asyncio.Event().wait()  # so that there is something to hand over, or to beat for
        result = await attempt(self, held, effect)
        reach("effect_answered")
        return result

    _replace(EffectSender, "_attempt", watched)


def around_beats() -> None:
    """Put a point before a heartbeat."""
    beat = Heartbeat._beat

    def watched(self: Heartbeat) -> None:
        reach("beat_unsent")
        beat(self)

    _replace(Heartbeat, "_beat", watched)


def _replace(where: type, name: str, by: Callable[..., Any]) -> None:
    getattr(where, name)  # a name that is gone is an error, not a daemon without a point
    setattr(where, name, by)


if __name__ == "__main__":
    around_transactions()
    around_effects()
    around_beats()
    main()
