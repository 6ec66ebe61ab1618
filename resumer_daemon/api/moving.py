"""The endpoints that move an execution. Each leaves one request, which a daemon settles."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Body, Depends, Header, Response

from resumer_daemon.api.answers import Left, Move
from resumer_daemon.api.asked import Cancel, Pause, Resume, Retry
from resumer_daemon.api.caller import Caller, Permission
from resumer_daemon.api.doors import Execution, Opened, reach_of, who_may
from resumer_daemon.api.exact import ExactRoute
from resumer_daemon.api.gate import LARGEST
from resumer_daemon.api.problems import documented
from resumer_daemon.store import commands
from resumer_daemon.workflow.values import dump

moving = APIRouter(
    prefix="/api/v1/executions/{id}",
    route_class=ExactRoute,
    max_body_size=LARGEST,
    responses=documented(400, 404, 409),
    tags=["moving"],
)

ONCE = Header(
    alias="Idempotency-Key", min_length=1, max_length=255,
    description="The same key with the same body is the same request, and is answered the same.",
)  # fmt: skip


def _execution_mover(
    execution: Execution, opened: Opened, answer: Response,
    key: Annotated[str | None, ONCE] = None,
) -> "MoveExecution":  # fmt: skip
    """Return what leaves a request for the execution of the path, once for each key."""

    async def ask(caller: Caller, move: Move, statement: str, facts: Mapping[str, Any]) -> Left:
        within = reach_of(caller).facts(execution=execution, actor=caller.actor, **facts)
        named = None if key is None else commands.Key(caller.identity, key)
        async with opened.sessions.session() as session:
            request = await commands.request_in_scope(session, statement, within, named)
        status = f"/api/v1/executions/{execution}/status"
        answer.headers["Location"] = status
        return Left(request=request, move=move, execution=execution, status=status)

    return ask


MoveExecution: TypeAlias = Callable[
    [Caller, Move, str, Mapping[str, Any]], Coroutine[Any, Any, Left]
]
ExecutionMover = Annotated[MoveExecution, Depends(_execution_mover)]
ToPause = Annotated[Pause, Body(default_factory=Pause)]
ToResume = Annotated[Resume, Body(default_factory=Resume)]
ToCancel = Annotated[Cancel, Body(default_factory=Cancel)]
ToRetry = Annotated[Retry, Body(default_factory=Retry)]
MayPause = Annotated[Caller, who_may(Permission.PAUSE)]
MayResume = Annotated[Caller, who_may(Permission.RESUME)]
MayCancel = Annotated[Caller, who_may(Permission.CANCEL)]


@moving.post("/pause", status_code=202)
async def pause(caller: MayPause, ask: ExecutionMover, asked: ToPause) -> Left:
    """Stop it before its next step, or hold it where it is paused: decisions are kept."""
    return await ask(caller, "pause", "request_pause", asked.model_dump())


@moving.post("/resume", status_code=202)
async def resume(caller: MayResume, ask: ExecutionMover, asked: ToResume) -> Left:
    """Resume it by hand; over a missing approval with `force`, a reason and `pause_number`."""
    facts = {**asked.model_dump(), "data": dump(asked.data)}
    return await ask(caller, "resume", "request_resume", facts)


@moving.post("/cancel", status_code=202)
async def cancel(caller: MayCancel, ask: ExecutionMover, asked: ToCancel) -> Left:
    """End it, whatever it waits for; it has no result."""
    return await ask(caller, "cancel", "request_cancel", asked.model_dump())


@moving.post("/retry", status_code=202)
async def retry(caller: MayResume, ask: ExecutionMover, asked: ToRetry) -> Left:
    """Go on after an incident, from where it stood, or from another step."""
    return await ask(caller, "retry", "request_retry", asked.model_dump())
