"""FastAPI dependencies of the routes: the caller and its permission, a session, exact bodies."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from resumer_daemon.api.auth import Caller, Credentials, Permission, Proxies
from resumer_daemon.api.problems import ProblemError
from resumer_daemon.store.commands import AccessScope
from resumer_daemon.store.session import Pool
from resumer_daemon.workflow.values import Json, UnreadableJson, load


class ExactRequest(Request):
    """Reads JSON as the rest of the program does."""

    async def json(self) -> Json:
        """Return the body. Raises Refusal where it is no JSON, or beyond what can be kept."""
        try:
            return load((await self.body()).decode())
        except (UnreadableJson, UnicodeDecodeError) as error:
            raise ProblemError(400, f"the body cannot be read: {error}") from error


class ExactRoute(APIRoute):
    """A route whose body is read so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the framework, over such a request."""
        handler = super().get_route_handler()

        async def exactly(request: Request) -> Response:
            return await handler(ExactRequest(request.scope, request.receive))

        return exactly


BEARER = HTTPBearer(
    auto_error=False,
    description="A token of `resumer-daemon token create`, an API key or a JWT of the service.",
)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the control routes are made of. `legacy`: the right to cancel counts for more."""

    sessions: Pool
    credentials: Credentials
    legacy: bool
    rate: float
    proxies: Proxies


def api_context(request: Request) -> ApiContext:
    """Return what the application was built with."""
    made: ApiContext = request.app.state.doors
    return made


def require_permission(permission: Permission) -> Any:
    """Return what admits callers that have a permission, and refuses all others."""

    def admitted(request: Request, _: Annotated[object, Security(BEARER)]) -> Caller:
        caller: Caller = request.state.caller
        if not caller.may(permission, legacy=api_context(request).legacy):
            scope = permission.scope
            said = f'Bearer realm="resumer-daemon", error="insufficient_scope", scope="{scope}"'
            raise ProblemError(403, f"{caller.actor} has no {scope}", {"WWW-Authenticate": said})
        return caller

    return Security(admitted, scopes=[permission.scope])


def scope_of(caller: Caller) -> AccessScope:
    """Return what a caller reaches."""
    return AccessScope(caller.organization, caller.everywhere)


Context = Annotated[ApiContext, Depends(api_context)]
Reader = Annotated[Caller, require_permission(Permission.READ)]
Execution = Annotated[UUID, Path(alias="id", description="The execution's id.")]
