"""Bodies read exactly: a number in `data` reaches the context as it was written."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from resumer_daemon.api.problems import Refusal
from resumer_daemon.workflow.values import Json, Unreadable, load


class ExactRequest(Request):
    """Reads JSON as the rest of the program does."""

    async def json(self) -> Json:
        """Return the body. Raises Refusal where it is no JSON, or beyond what can be kept."""
        try:
            return load((await self.body()).decode())
        except (Unreadable, UnicodeDecodeError) as error:
            raise Refusal(400, f"the body cannot be read: {error}") from error


class ExactRoute(APIRoute):
    """A route whose body is read so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the framework, over such a request."""
        handler = super().get_route_handler()

        async def exactly(request: Request) -> Response:
            return await handler(ExactRequest(request.scope, request.receive))

        return exactly
