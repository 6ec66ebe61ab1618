"""The gate of `/api/`: nobody gets past it unknown, with too much, or too often.

It stands before the framework reads anything, so a stranger's body is never looked at.
"""

from math import ceil

import psycopg
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from resumer_daemon.api.caller import Caller
from resumer_daemon.api.credentials import Credentials
from resumer_daemon.api.problems import Refusal, refusal_of
from resumer_daemon.api.rate import Rate

GATED = "/api/"
LARGEST = 256 * 1024  # bytes of a body


class Gate:
    """Lets a request through with its caller in the state, or refuses it.

    Failed attempts are counted by address: there guessing ends, before the database is asked.
    """

    def __init__(self, app: ASGIApp, credentials: Credentials, rate: float) -> None:
        self._app = app
        self._credentials = credentials
        self._callers, self._strangers = Rate(rate), Rate(rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] == "http" and scope["path"].startswith(GATED):
            try:
                scope.setdefault("state", {})["caller"] = await self._admit(scope)
            except Refusal as refusal:
                return await refusal.response()(scope, receive, send)
            except psycopg.Error as error:
                return await refusal_of(error).response()(scope, receive, send)
        return await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Caller:
        headers = Headers(scope=scope)
        address = str((scope.get("client") or ("",))[0])
        _refuse_often(self._strangers.wait(address))
        caller = await self._credentials.recognise(headers.get("authorization", ""))
        if caller is None:
            self._strangers.count(address)
            raise Refusal(
                401,
                "a bearer token is needed that is known, in force and not expired",
                {"WWW-Authenticate": 'Bearer realm="resumer-daemon"'},
                hint="resumer-daemon token create NAME --may read",
            )
        _refuse_often(self._callers.wait(caller.identity))
        self._callers.count(caller.identity)
        if _declared(headers) > LARGEST:
            raise Refusal(413, f"the body may have {LARGEST} bytes")
        return caller


def _declared(headers: Headers) -> int:
    """Return how long the body is said to be; what says nothing is cut off where it is read."""
    said = headers.get("content-length", "0")
    return int(said) if said.isdecimal() and len(said) < 19 else 0


def _refuse_often(wait: float) -> None:
    if wait > 0:
        raise Refusal(429, "too many requests", {"Retry-After": str(ceil(wait))})
