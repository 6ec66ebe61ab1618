"""Counts every request that was answered, also those that the gate refused."""

from typing import Final

from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = frozenset({"GET", "POST"})


class Counted:
    """Counts by template of the route, never by path, so that labels are closed.

    `other` is what has no route: an unknown path, or what was refused before it was looked for; and
    each method that no route has.
    """

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and count what it is answered; what breaks off is answered 500 outside of us."""
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
