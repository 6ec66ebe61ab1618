"""`start`, `emit`, `approve` and `reject`: rows that a service writes otherwise."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from resumer_daemon.cli.common import (
    USAGE,
    AsJson,
    DatabaseUrl,
    console,
    document,
    fail,
    print_json,
    with_session,
)
from resumer_daemon.cli.output import escape
from resumer_daemon.store import commands
from resumer_daemon.store.session import Session


def start(
    workflow: Annotated[str, typer.Argument(help="The workflow_id.")],
    payload: Annotated[
        str | None, typer.Option(help="The trigger payload: JSON, or a file. Default: {}.")
    ] = None,
    payload_of: Annotated[
        str | None, typer.Option(help="Take the payload of this execution instead.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The version. Default: the newest enabled one.")
    ] = None,
    organization: Annotated[
        UUID | None, typer.Option(help="The organization, if several have the workflow.")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Queue an execution.

    A daemon starts it.

    [dim]Example: resumer-daemon start high_value_order --payload '{"order": {"total": 12000}}'[/]
    """
    if payload is not None and payload_of is not None:
        fail("give --payload or --payload-of, not both", USAGE)
    given = document("--payload", "{}" if payload is None else payload)

    async def start_it(session: Session) -> str:
        if payload_of is None:
            made = await commands.start(session, workflow, given, version, organization)
        else:
            made = await commands.start_like(session, workflow, payload_of, version, organization)
        return await commands.execution_key(session, made)

    console.print(escape(with_session(database_url, start_it)), highlight=False)


def emit(
    event_type: Annotated[str, typer.Argument(help="The event type, such as order.paid.")],
    payload: Annotated[str, typer.Option(help="The payload: JSON, or a file.")] = "{}",
    organization: Annotated[
        UUID | None, typer.Option(help="The organization, if the service has several.")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write an event.

    Executions that wait for it resume.

    [dim]Example: resumer-daemon emit order.paid --payload '{"order": {"id": "A-1"}}'[/]
    """
    given = document("--payload", payload)

    console.print(
        with_session(
            database_url, lambda session: commands.emit(session, event_type, given, organization)
        ),
        highlight=False,
    )


RequestId = Annotated[str, typer.Argument(help="The request_id of the approval request.")]


def _approver(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a UUID. The service's approval_requests.approver_id holds the"
            " approver's user id, and no name. Without --as no approver is written."
        ) from None


Approver = Annotated[
    UUID | None,
    typer.Option(
        "--as",
        parser=_approver,
        metavar="<UUID>",
        help="The approver's user id, a UUID: the service stores no names of approvers.",
    ),
]
Reason = Annotated[str | None, typer.Option(help="The reason in the record.")]


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
    left, decision = (
        with_session(
            url, lambda session: commands.decide(session, verdict, request_id, approver, reason)
        ),
        f"{verdict.removesuffix('e')}ed",
    )
    if as_json:
        print_json({"request_id": request_id, "decision": decision, "request": left})
        return
    detail = "the reconciler will find it" if left is None else f"request {left}"
    console.print(f"{escape(request_id)}: {decision}, {detail}", highlight=False)
