"""Send one HTTP request through the SSRF guard, within a deadline, and explain its failure.

The error texts are fixed, because those of a library may quote what a receiver sent.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from time import monotonic
from types import MappingProxyType
from typing import Final

import httpcore2
from msgspec.structs import replace
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

# httpcore2 logs the headers of every response, and a receiver may send secrets back in them
logging.getLogger("httpcore2").setLevel(logging.WARNING)


NO_TRACE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that an attempt waits for a connection and for each read, within its deadline."""

    connect: float = 3.0
    first_byte: float = 10.0


@cache
def _system_trust() -> ssl.SSLContext:
    """Return the certificate authorities of the system. Loading them takes 0.1 s, so do it once."""
    return ssl.create_default_context()


class HttpClient:
    """Sends effects over HTTP. Each attempt has a connection of its own.

    So it never gets a connection that an earlier attempt left in a bad state or that the receiver
    is closing. There are no redirects, proxies or cookies, and nothing comes from the environment.
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
        """`trust` None: the authorities of the system. `clock` is for signatures and dates only."""
        self._guard = guard
        self._secrets = secrets
        self._signer = signer
        self._timeouts = timeouts or Timeouts()
        self._trust = trust or _system_trust()
        self._clock = clock

    def using(self, secrets: Lookup) -> "HttpClient":
        """Return the same client with other secrets."""
        other = copy(self)
        other._secrets = secrets
        return other

    async def send(
        self, effect: Effect, *, deadline: float, trace: Mapping[str, str] = NO_TRACE
    ) -> HttpResult:
        """Make one attempt, which ends within `deadline` seconds.

        The headers of `trace` are added unless the definition sets them. Every failure is a result.
        A request that the definition, the data or the settings do not allow is not sent, and has
        the retry class `fault`. Neither errors nor data show a secret.
        """
        secrets = SecretScope(self._secrets)
        counter = ByteCounter()
        try:
            async with asyncio.timeout(deadline):
                request = prepare_request(effect, secrets, trace)
                return await self._exchange(request, effect.key, secrets, counter)
        except TRANSPORT_ERRORS as error:
            result = failure_result(error, sent=counter.sent > 0)
            return replace(result, error=secrets.mask(result.error or ""))

    async def _exchange(
        self, request: HttpRequest, key: str, secrets: SecretScope, counter: ByteCounter
    ) -> HttpResult:
        headers = dict(request.headers)
        if self._signer is not None:
            headers |= self._signer.headers(key, request.body, self._clock())
        url = request.url
        target = httpcore2.URL(
            scheme=url.scheme.encode(),
            host=url.host.encode(),
            port=url.port,
            target=url.target.encode(),
        )
        async with (
            GuardedBackend(self._guard, counter) as backend,
            httpcore2.AsyncHTTPConnection(
                target.origin, ssl_context=self._trust, network_backend=backend
            ) as connection,
            connection.stream(
                request.method,
                target,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=request.body,
                extensions={"timeout": self._step_timeouts()},
            ) as response,
        ):
            return await read_result(response, secrets, self._clock())

    def _step_timeouts(self) -> dict[str, float]:
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

    async def request() -> HttpResult:
        left = max(0.0, min(attempt_timeout, ends - monotonic()))
        return await client.send(effect, deadline=left, trace=trace)

    retrying = AsyncRetrying(
        retry=retry_if_result(_is_transient),
        stop=stop_after_attempt(attempts) | stop_after_delay(deadline),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        retry_error_callback=_last,
    )
    return await retrying(request)


def _is_transient(result: HttpResult) -> bool:
    """Tell whether a failure may pass: no response, overload, or an error of the server."""
    retry_class = result.retry_class or ""
    return retry_class in ("timeout", "connection", "408", "429") or retry_class.startswith("5")


def _last(state: RetryCallState) -> HttpResult:
    if state.outcome is None:
        raise LookupError("a retry without an attempt")
    result: HttpResult = state.outcome.result()
    return result


TRANSPORT_ERRORS: Final = (
    AddressRefused,
    StepError,
    NotResolved,
    OSError,  # the deadline's TimeoutError is one
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
)
"""The exceptions of a failed attempt."""

_LATE: Final[dict[type[Exception], str]] = {
    httpcore2.ConnectTimeout: "no connection",
    httpcore2.ReadTimeout: "no response",
    httpcore2.WriteTimeout: "the request was not accepted",
}


def failure_result(error: Exception, sent: bool) -> HttpResult:
    """Return one of `TRANSPORT_ERRORS` as a result. `sent`: a byte of the request was sent.

    The text may contain parts of the definition, and so secrets.
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
            return HttpResult("webhook: the request cannot be sent", "fault", sent=sent)
        case TimeoutError() | httpcore2.TimeoutException():
            why = _LATE.get(type(error), "no complete response before the deadline")
            return HttpResult(f"webhook timed out: {why}", "timeout", sent=sent)
        case _:
            return HttpResult(f"webhook failed: {_describe(error)}", "connection", sent=sent)


def _describe(error: Exception) -> str:
    match error:
        case NotResolved():
            return str(error)
        case ResponseTooLarge():
            return "the response is too large"
        case httpcore2.ProtocolError():
            return "not a valid HTTP response"
        case httpcore2.ConnectError():
            return _describe_connect_error(error.__cause__)
        case _:
            return "the connection broke"


def _describe_connect_error(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate refused: {cause.verify_message}"
    return "no TLS" if isinstance(cause, ssl.SSLError) else "no connection"
