"""Daemons with one thing wrong each: what the checker must see.

Each is the real daemon with one function replaced, named by `BROKEN_DAEMON`.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from resumer_daemon.__main__ import main
from resumer_daemon.daemon import carrier
from resumer_daemon.daemon.proceeding import Held
from resumer_daemon.effects import http
from resumer_daemon.engine.outcome import Effect, EffectResult
from resumer_daemon.store import journal
from resumer_daemon.store.arrays import array
from resumer_daemon.store.claim import locked
from resumer_daemon.store.session import Session

DELAY = 1.0


def without_fence() -> None:
    """Write whatever became of the lease meanwhile: only the execution's row is locked."""

    async def fence(session: Session, execution: UUID, _epoch: int) -> bool:
        return bool(await locked(await session.run("claim_again", {"ids": array([execution])})))

    _replace(journal, "fence", fence)


def key_of_each_attempt() -> None:
    """Send under a key that nobody can know a second time."""
    prepare: Callable[..., Any] = vars(http)["prepare"]

    def changed(effect: Effect, *rest: object) -> object:
        return prepare(replace(effect, key=uuid4().hex), *rest)

    _replace(http, "prepare", changed)


def sent_without_key() -> None:
    """Send what no receiver can tell from anything else, and mark it afterwards."""
    prepare: Callable[..., Any] = vars(http)["prepare"]

    def bare(effect: Effect, revealed: object) -> object:
        return prepare(replace(effect, key=""), revealed)

    _replace(http, "prepare", bare)


def marked_then_sent() -> None:
    """Record that it is done, and send it a moment later."""
    attempt = carrier.Carrier.carry_out
    later = set()

    async def marked(self: carrier.Carrier, held: Held, effect: Effect) -> EffectResult:
        async def send() -> None:
            await asyncio.sleep(DELAY)
            await attempt(self, held, effect)

        later.add(asyncio.create_task(send()))
        return EffectResult(data={"status_code": 200})

    _replace(carrier.Carrier, "carry_out", marked)


def sent_without_intent() -> None:
    """Send what no row of the journal speaks of."""
    record: Callable[..., Any] = journal._intents

    def forgotten(plans: Any) -> Mapping[str, Any]:
        return dict.fromkeys(record(plans), "{}")

    _replace(journal, "_intents", forgotten)


def _replace(where: object, name: str, by: object) -> None:
    """Replace what is there: a name that is gone is an error, not a daemon without a fault."""
    getattr(where, name)
    setattr(where, name, by)


if __name__ == "__main__":
    globals()[os.environ["BROKEN_DAEMON"]]()
    main()
