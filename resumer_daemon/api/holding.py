"""What a caller asks of a whole workflow, or of all that it reaches: to stop, and to go on."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends

from resumer_daemon.api.answers import InForce, Released
from resumer_daemon.api.asked import Hold, Release
from resumer_daemon.api.caller import Caller
from resumer_daemon.api.doors import Opened, reach_of
from resumer_daemon.api.exact import ExactRoute
from resumer_daemon.api.gate import LARGEST
from resumer_daemon.api.moving import ONCE, MayPause, MayResume
from resumer_daemon.api.problems import documented
from resumer_daemon.store import commands

holding = APIRouter(
    prefix="/api/v1",
    route_class=ExactRoute,
    max_body_size=LARGEST,
    responses=documented(400, 404, 409),
    tags=["holding"],
)


def _workflow_mover(opened: Opened, key: Annotated[str | None, ONCE] = None) -> "MoveWorkflow":
    """Return what asks for it, once for each key."""

    async def ask(caller: Caller, statement: str, facts: Mapping[str, Any]) -> int:
        within = reach_of(caller).facts(actor=caller.actor, **facts)
        named = None if key is None else commands.Key(caller.identity, key)
        async with opened.sessions.session() as session:
            return await commands.request_in_scope(session, statement, within, named)

    return ask


MoveWorkflow: TypeAlias = Callable[[Caller, str, Mapping[str, Any]], Coroutine[Any, Any, int]]
WorkflowMover = Annotated[MoveWorkflow, Depends(_workflow_mover)]


@holding.post("/hold")
async def hold(caller: MayPause, ask: WorkflowMover, asked: Hold) -> InForce:
    """Hold a workflow, or everything: what runs stops before its next step, what comes is kept."""
    made = await ask(caller, "request_hold", asked.model_dump())
    return InForce(workflow=asked.workflow, hold=made)


@holding.post("/release")
async def release(caller: MayResume, ask: WorkflowMover, asked: Release) -> Released:
    """Release what is on hold; it goes on at a bounded rate."""
    going = await ask(caller, "request_release", asked.model_dump())
    return Released(workflow=asked.workflow, going=going)
