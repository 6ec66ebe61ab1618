"""Webhooks: one attempt at a time, guarded, within a deadline, and with nothing left behind."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import httpcore2

from resumer_daemon.effects.answer import Answer, read_answer
from resumer_daemon.effects.failure import TROUBLE, failed
from resumer_daemon.effects.guard import Guard, GuardedBackend
from resumer_daemon.effects.masking import Lookup, Revealed
from resumer_daemon.effects.meter import Meter
from resumer_daemon.effects.request import Request, prepare
from resumer_daemon.effects.signature import Signer
from resumer_daemon.engine.outcome import Effect

# It writes the headers of every response into its log, and a receiver may send our secrets back.
logging.getLogger("httpcore2").setLevel(logging.WARNING)


NO_TRACE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The seconds that an attempt waits for one step, whatever its deadline is."""

    connect: float = 3.0
    first_byte: float = 10.0


@cache
def _authorities_of_the_system() -> ssl.SSLContext:
    """Return what the system trusts. Reading it takes 0.1 s, so a process does that once."""
    return ssl.create_default_context()


class HttpClient:
    """Carries out effects over HTTP; each attempt has a connection of its own.

    So an attempt never meets what an earlier one left, nor a connection that its receiver is just
    closing. No redirects, no proxies, no cookies, nothing from the environment.
    """

    def __init__(
        self,
        guard: Guard,
        secrets: Lookup,
        *,
        signer: Signer | None = None,
        timeouts: Timeouts | None = None,
        trust: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what it works with; `clock` tells receivers the time, deadlines have their own."""
        self._guard = guard
        self._secrets = secrets
        self._signer = signer
        self._timeouts = timeouts or Timeouts()
        self._trust = trust or _authorities_of_the_system()
        self._clock = clock

    def using(self, secrets: Lookup) -> "HttpClient":
        """Return the same client with other secrets."""
        other = copy(self)
        other._secrets = secrets
        return other

    async def send(
        self, effect: Effect, *, deadline: float, trace: Mapping[str, str] = NO_TRACE
    ) -> Answer:
        """Carry out one attempt, to its end within `deadline` seconds from now.

        The headers of `trace` go along where the definition has none of that name.
        Whatever goes wrong is in the result. What the definition, the data or the settings rule
        out has the class `fault`, and nothing was sent; neither errors nor data show a secret.
        """
        revealed = Revealed(self._secrets)
        meter = Meter()
        try:
            async with asyncio.timeout(deadline):
                request = prepare(effect, revealed, trace)
                return await self._exchange(request, effect.key, revealed, meter)
        except TROUBLE as error:
            answer = failed(error, sent=meter.sent > 0)
            return replace(answer, error=revealed.mask(answer.error or ""))

    async def _exchange(
        self, request: Request, key: str, revealed: Revealed, meter: Meter
    ) -> Answer:
        headers = dict(request.headers)
        if self._signer is not None:
            headers |= self._signer.headers(key, request.body, self._clock())
        url = request.url
        where = httpcore2.URL(
            scheme=url.scheme.encode(),
            host=url.host.encode(),
            port=url.port,
            target=url.target.encode(),
        )
        async with (
            GuardedBackend(self._guard, meter) as backend,
            httpcore2.AsyncHTTPConnection(
                where.origin, ssl_context=self._trust, network_backend=backend
            ) as connection,
            connection.stream(
                request.method,
                where,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=request.body,
                extensions={"timeout": self._waits()},
            ) as response,
        ):
            return await read_answer(response, revealed, self._clock())

    def _waits(self) -> dict[str, float]:
        first_byte = self._timeouts.first_byte
        return {"connect": self._timeouts.connect, "read": first_byte, "write": first_byte}
