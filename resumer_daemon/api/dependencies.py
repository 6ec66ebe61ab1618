"""FastAPI dependencies of the routes: the caller and its permission, a session, exact bodies."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from resumer_daemon.api.auth import Caller, Credentials, Permission, Proxies
from resumer_daemon.api.problems import ProblemError
from resumer_daemon.store.commands import (
    AccessScope,
    Command,
    IdempotencyKey,
    NotFound,
    submit_in_scope,
)
from resumer_daemon.store.queries import find_in_scope, read_key
from resumer_daemon.store.session import Pool
from resumer_daemon.workflow.values import Json, UnreadableJson, load


class ExactRequest(Request):
    """Parses JSON as the rest of the program does: numbers stay exact."""

    async def json(self) -> Json:
        """Return the body. Raises ProblemError: it is not JSON, or cannot be stored."""
        try:
            return load((await self.body()).decode())
        except (UnreadableJson, UnicodeDecodeError) as error:
            raise ProblemError(400, f"the body cannot be read: {error}") from error


class ExactRoute(APIRoute):
    """A route with an `ExactRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of FastAPI, called with an `ExactRequest`."""
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
    """Shared by all routes. `legacy`: cancel includes pause and resume."""

    sessions: Pool
    credentials: Credentials
    legacy: bool
    rate: float
    proxies: Proxies


def api_context(request: Request) -> ApiContext:
    """Return the context of the application."""
    made: ApiContext = request.app.state.doors
    return made


def require_permission(permission: Permission) -> Any:
    """Return a dependency that refuses callers without a permission."""

    def admitted(request: Request, _: Annotated[object, Security(BEARER)]) -> Caller:
        caller: Caller = request.state.caller
        if not caller.may(permission, legacy=api_context(request).legacy):
            scope = permission.scope
            said = f'Bearer realm="resumer-daemon", error="insufficient_scope", scope="{scope}"'
            raise ProblemError(403, f"{caller.actor} has no {scope}", {"WWW-Authenticate": said})
        return caller

    return Security(admitted, scopes=[permission.scope])


def scope_of(caller: Caller) -> AccessScope:
    """Return the scope of a caller."""
    return AccessScope(caller.organization, caller.everywhere)


Context = Annotated[ApiContext, Depends(api_context)]
Reader = Annotated[Caller, require_permission(Permission.READ)]


async def find_execution(
    request: Request,
    context: Context,
    key: Annotated[
        str, Path(alias="id", max_length=255, description="The execution's id or execution_id.")
    ],
) -> UUID:
    """Return the id of an execution in the caller's scope. Raises `NotFound`."""
    return await resolve_execution(context, request.state.caller, key)


async def resolve_execution(context: ApiContext, caller: Caller, key: str) -> UUID:
    """Return the id that a key names. An id itself is not looked up. Raises `NotFound`."""
    try:
        return UUID(key)
    except ValueError:
        async with context.sessions.session() as session:
            return await find_in_scope(session, scope_of(caller), key)


Execution = Annotated[UUID, Depends(find_execution)]


@dataclass(frozen=True, slots=True)
class Submission:
    """Submits the command of one HTTP request as its caller, once for each Idempotency-Key."""

    context: ApiContext
    caller: Caller
    key: str | None

    async def submit(self, command: Command, facts: Mapping[str, Any]) -> int:
        """Submit a command. Return and raise as `commands.submit_in_scope`."""
        scoped = scope_of(self.caller).facts(actor=self.caller.actor, **facts)
        key = None if self.key is None else IdempotencyKey(self.caller.identity, self.key)
        async with self.context.sessions.session() as session:
            return await submit_in_scope(session, command, scoped, key)

    async def read_key(self, execution: UUID) -> str:
        """Return the `execution_id` of an execution, or its id if it has vanished meanwhile."""
        async with self.context.sessions.session() as session:
            try:
                return await read_key(session, scope_of(self.caller), execution)
            except NotFound:
                return str(execution)


def submission(
    request: Request,
    context: Context,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="A repeated key with the same body is the same request, and gets the"
            " same response.",
        ),
    ] = None,
) -> Submission:
    """Return what submits the command of a request."""
    return Submission(context, request.state.caller, key)


Submits = Annotated[Submission, Depends(submission)]
