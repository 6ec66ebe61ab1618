"""Middleware: authentication, rate limit, body size, strict framing, and the request counter.

It runs before the framework reads anything, so a stranger's body is never parsed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from math import ceil
from time import monotonic
from typing import Final

import psycopg
from prometheus_client import Counter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resumer_daemon.api.auth import Caller, Credentials, Proxies
from resumer_daemon.api.problems import ProblemError, problem_of

KEPT = 10_000  # buckets. The least recently used one is dropped, and starts full again


class RateLimiter:
    """Limits each caller to `rate` requests per second, with a burst of the same size."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._most = max(1.0, rate)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str) -> float:
        """Return the seconds until the next request would be allowed. 0 means now."""
        return max(0.0, (1.0 - self._left(who)) / self._rate)

    def count(self, who: str) -> None:
        """Count a request."""
        self._buckets[who] = (max(0.0, self._left(who) - 1.0), self._clock())
        self._buckets.move_to_end(who)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)

    def _left(self, who: str) -> float:
        left, at = self._buckets.get(who, (self._most, self._clock()))
        return min(self._most, left + (self._clock() - at) * self._rate)


GATED = "/api/"
LARGEST = 256 * 1024  # bytes of a body
IN_DOUBT: Final = 16  # waiting lookups of tokens from addresses with too many invalid ones


class AuthMiddleware:
    """Authenticates a request and stores its caller in the state, or refuses it.

    Failed attempts are counted by address. After too many, tokens from the address are looked up
    one at a time and few may wait, so that guessing does not use up the connections. A valid token
    still works from there, and one that was valid before does not wait.
    """

    def __init__(
        self, app: ASGIApp, credentials: Credentials, rate: float, proxies: Proxies
    ) -> None:
        self._app = app
        self._credentials = credentials
        self._proxies = proxies
        self._callers, self._strangers = RateLimiter(rate), RateLimiter(rate)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._doubtful = asyncio.Semaphore()
        self._in_doubt = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        if scope["type"] == "http" and scope["path"].startswith(GATED):
            try:
                scope.setdefault("state", {})["caller"] = await self._admit(scope)
            except ProblemError as refusal:
                return await refusal.response()(scope, receive, send)
            except psycopg.Error as error:
                return await problem_of(error).response()(scope, receive, send)
        return await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Caller:
        headers = Headers(scope=scope)
        peer = str((scope.get("client") or ("",))[0])
        address = self._proxies.client(peer, headers.getlist("x-forwarded-for"))
        caller = await self._recognise(headers.get("authorization", ""), address)
        if caller is None:
            raise ProblemError(
                401,
                "Missing or invalid bearer token. It may be unknown, revoked or expired.",
                {"WWW-Authenticate": 'Bearer realm="resumer-daemon"'},
                hint="resumer-daemon token create NAME --may read",
            )
        _refuse_often(self._callers.wait(caller.identity))
        self._callers.count(caller.identity)
        if _declared(headers) > LARGEST:
            raise ProblemError(413, f"the body is larger than {LARGEST} bytes")
        return caller

    async def _recognise(self, authorization: str, address: str) -> Caller | None:
        """Return the caller; None if the token is invalid.

        Raises:
            ProblemError: It is invalid, and so were too many others from this address.
        """
        key = sha256(authorization.encode()).digest()
        wait = self._strangers.wait(address)
        if wait <= 0 or key in self._known:
            caller = await self._credentials.recognise(authorization)
        else:
            caller = await self._one_by_one(authorization, wait)
        if caller is not None:
            self._remember(key)
            return caller
        self._known.pop(key, None)
        self._strangers.count(address)
        _refuse_often(wait)
        return None

    async def _one_by_one(self, authorization: str, wait: float) -> Caller | None:
        if self._in_doubt >= IN_DOUBT:
            _refuse_often(wait)
        self._in_doubt += 1
        try:
            async with self._doubtful:
                return await self._credentials.recognise(authorization)
        finally:
            self._in_doubt -= 1

    def _remember(self, key: bytes) -> None:
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)


def _declared(headers: Headers) -> int:
    """Return the declared length of the body. Without one, FastAPI limits it while reading."""
    said = headers.get("content-length", "0")
    return int(said) if said.isdecimal() and len(said) < 19 else 0


def _refuse_often(wait: float) -> None:
    if wait > 0:
        raise ProblemError(429, "too many requests", {"Retry-After": str(ceil(wait))})


class FramingMiddleware:
    """Refuses `Content-Length` together with `Transfer-Encoding` (RFC 9112, section 6.3).

    A proxy that reads by the length and a server that reads by the encoding see different
    requests. The connection is closed, so that its rest is not read as another request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        if scope["type"] == "http" and _is_ambiguous(Headers(scope=scope)):
            refusal = ProblemError(
                400,
                "the request has a Content-Length and a Transfer-Encoding",
                {"Connection": "close"},
                hint="send one of them (RFC 9112, section 6.3)",
            )
            return await refusal.response()(scope, receive, send)
        return await self._app(scope, receive, send)


def _is_ambiguous(headers: Headers) -> bool:
    return "content-length" in headers and "transfer-encoding" in headers


METHODS: Final = frozenset({"GET", "POST"})


class MetricsMiddleware:
    """Counts requests by the template of their route, so that labels are bounded.

    `other` stands for requests without a route and for methods that no route has. A request that is
    refused before routing has no route.
    """

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count its status. An exception counts as 500."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status = 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._requests.labels(route, method, str(status)).inc()
        return None
