"""`start`, `emit`, `approve` and `reject`: what a service would write."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from resumer_daemon.cli.common import (
    AsJson,
    DatabaseUrl,
    console,
    document,
    open_session,
    print_json,
    run,
)
from resumer_daemon.cli.output import escape
from resumer_daemon.store import commands


def start(
    workflow: Annotated[str, typer.Argument(help="The workflow_id.")],
    payload: Annotated[str, typer.Option(help="The trigger payload, as JSON.")] = "{}",
    version: Annotated[str | None, typer.Option(help="By default the newest enabled one.")] = None,
    organization: Annotated[UUID | None, typer.Option(help="Where several have it.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Queue an execution.

    A daemon starts it.

    [dim]Example: resumer-daemon start high_value_order --payload '{"order": {"total": 12000}}'[/]
    """
    given = document("--payload", payload)

    async def work() -> str:
        async with open_session(database_url) as session:
            return await commands.start(session, workflow, given, version, organization)

    console.print(run(work()), highlight=False)


def emit(
    event_type: Annotated[str, typer.Argument(help="Such as order.paid.")],
    payload: Annotated[str, typer.Option(help="The event's payload, as JSON.")] = "{}",
    organization: Annotated[UUID | None, typer.Option(help="Where the service has them.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write an event.

    Executions that wait for it resume.

    [dim]Example: resumer-daemon emit order.paid --payload '{"order": {"id": "A-1"}}'[/]
    """
    given = document("--payload", payload)

    async def work() -> str:
        async with open_session(database_url) as session:
            return await commands.emit(session, event_type, given, organization)

    console.print(run(work()), highlight=False)


RequestId = Annotated[str, typer.Argument(help="The request_id of the approval.")]
Approver = Annotated[UUID | None, typer.Option("--as", help="The approver's user id (UUID).")]
Reason = Annotated[str | None, typer.Option(help="Why; it goes into the record.")]


def approve(
    request_id: RequestId, approver: Approver = None, reason: Reason = None,
    database_url: DatabaseUrl = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Approve a pending request.

    [dim]Example: resumer-daemon approve appr_5f0c77ab --reason fine[/]
    """
    _decide("approve", request_id, approver, reason, database_url, as_json=as_json)


def reject(
    request_id: RequestId, approver: Approver = None, reason: Reason = None,
    database_url: DatabaseUrl = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Reject a pending request.

    [dim]Example: resumer-daemon reject appr_5f0c77ab --reason late[/]
    """
    _decide("reject", request_id, approver, reason, database_url, as_json=as_json)


def _decide(
    verdict: Literal["approve", "reject"],
    request_id: str,
    approver: UUID | None,
    reason: str | None,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    async def work() -> int | None:
        async with open_session(url) as session:
            return await commands.decide(session, verdict, request_id, approver, reason)

    left, decision = run(work()), f"{verdict.removesuffix('e')}ed"
    if as_json:
        print_json({"request_id": request_id, "decision": decision, "request": left})
        return
    told = "the reconciler finds it" if left is None else f"request {left}"
    console.print(f"{escape(request_id)}: {decision}, {told}", highlight=False)
