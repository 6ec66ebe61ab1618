"""The framing of requests: what two readers could read in two ways is refused."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from resumer_daemon.api.problems import Refusal


class Framing:
    """Refuses `Content-Length` together with `Transfer-Encoding` (RFC 9112, section 6.3).

    A proxy that goes by the length and a server that goes by the encoding see different requests.
    The connection is closed, so that what follows is not read as a request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["type"] == "http" and _twofold(Headers(scope=scope)):
            refusal = Refusal(
                400,
                "the request has a Content-Length and a Transfer-Encoding",
                {"Connection": "close"},
                hint="send one of them (RFC 9112, section 6.3)",
            )
            return await refusal.response()(scope, receive, send)
        return await self._app(scope, receive, send)


def _twofold(headers: Headers) -> bool:
    return "content-length" in headers and "transfer-encoding" in headers
