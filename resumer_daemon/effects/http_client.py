"""Send one HTTP request: guarded, within a deadline, and with one clear reason when it fails.

Reasons are in words of our own, because a library's may quote what a receiver sent.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from time import monotonic
from types import MappingProxyType
from typing import Final

import httpcore2
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)

from resumer_daemon.effects.address_guard import (
    AddressRefused,
    ByteCounter,
    Guard,
    GuardedBackend,
    NotResolved,
    ResponseTooLarge,
)
from resumer_daemon.effects.http_message import (
    HttpRequest,
    HttpResult,
    Signer,
    prepare_request,
    read_result,
)
from resumer_daemon.effects.redaction import Lookup, SecretScope
from resumer_daemon.effects.shortage import SHORTAGE, is_shortage
from resumer_daemon.engine.outcome import Effect
from resumer_daemon.workflow.errors import StepError

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
    ) -> HttpResult:
        """Carry out one attempt, to its end within `deadline` seconds from now.

        The headers of `trace` go along where the definition has none of that name.
        Whatever goes wrong is in the result. What the definition, the data or the settings rule
        out has the class `fault`, and nothing was sent; neither errors nor data show a secret.
        """
        revealed = SecretScope(self._secrets)
        meter = ByteCounter()
        try:
            async with asyncio.timeout(deadline):
                request = prepare_request(effect, revealed, trace)
                return await self._exchange(request, effect.key, revealed, meter)
        except TRANSPORT_ERRORS as error:
            answer = failure_result(error, sent=meter.sent > 0)
            return replace(answer, error=revealed.mask(answer.error or ""))

    async def _exchange(
        self, request: HttpRequest, key: str, revealed: SecretScope, meter: ByteCounter
    ) -> HttpResult:
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
            return await read_result(response, revealed, self._clock())

    def _waits(self) -> dict[str, float]:
        first_byte = self._timeouts.first_byte
        return {"connect": self._timeouts.connect, "read": first_byte, "write": first_byte}


async def load_context(
    client: HttpClient,
    effect: Effect,
    *,
    attempts: int,
    attempt_timeout: float,
    deadline: float,
    trace: Mapping[str, str],
) -> HttpResult:
    """Request a context document, retried after failures that may pass. Return the last result.

    `attempts` is their number, `attempt_timeout` the seconds of each, `deadline` those of all.
    """
    ends = monotonic() + deadline

    async def ask() -> HttpResult:
        left = max(0.0, min(attempt_timeout, ends - monotonic()))
        return await client.send(effect, deadline=left, trace=trace)

    retrying = AsyncRetrying(
        retry=retry_if_result(_may_pass),
        stop=stop_after_attempt(attempts) | stop_after_delay(deadline),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        retry_error_callback=_last,
    )
    return await retrying(ask)


def _may_pass(answer: HttpResult) -> bool:
    """Tell a failure of the moment: no answer, too much to do, or an error of the server's own."""
    failed_as = answer.retry_class or ""
    return failed_as in ("timeout", "connection", "408", "429") or failed_as.startswith("5")


def _last(state: RetryCallState) -> HttpResult:
    if state.outcome is None:
        raise LookupError("a retry without an attempt")
    answer: HttpResult = state.outcome.result()
    return answer


TRANSPORT_ERRORS: Final = (
    AddressRefused,
    StepError,
    NotResolved,
    OSError,  # the deadline's TimeoutError is one
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
)
"""What an attempt can fail with."""

_LATE: Final[dict[type[Exception], str]] = {
    httpcore2.ConnectTimeout: "no connection",
    httpcore2.ReadTimeout: "no answer",
    httpcore2.WriteTimeout: "the request was not taken",
}


def failure_result(error: Exception, sent: bool) -> HttpResult:
    """Return one of `TRANSPORT_ERRORS` as a result. `sent`: some byte of the request has left.

    The text may hold what the definition says, secrets included.
    """
    match error:
        case _ if is_shortage(error):
            return HttpResult(
                "webhook not sent: this daemon is short of files or memory", SHORTAGE, sent=sent
            )
        case StepError():
            return HttpResult(str(error), "fault", sent=sent)
        case AddressRefused():
            return HttpResult(f"webhook: {error}", "fault", sent=sent)
        case httpcore2.LocalProtocolError():
            return HttpResult("webhook: not a request that can be sent", "fault", sent=sent)
        case TimeoutError() | httpcore2.TimeoutException():
            why = _LATE.get(type(error), "no end within the time given")
            return HttpResult(f"webhook timed out: {why}", "timeout", sent=sent)
        case _:
            return HttpResult(f"webhook failed: {_broken(error)}", "connection", sent=sent)


def _broken(error: Exception) -> str:
    match error:
        case NotResolved():
            return str(error)
        case ResponseTooLarge():
            return "an answer without end"
        case httpcore2.ProtocolError():
            return "what came is no answer"
        case httpcore2.ConnectError():
            return _unconnected(error.__cause__)
        case _:
            return "the connection broke"


def _unconnected(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate refused: {cause.verify_message}"
    return "no TLS" if isinstance(cause, ssl.SSLError) else "no connection"
