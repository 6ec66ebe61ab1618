"""`approve` and `reject`: write a decision, as the approval page would."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, opened, print_json, run
from resumer_daemon.cli.plain import escape
from resumer_daemon.store import commands

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
        async with opened(url) as session:
            return await commands.decide(session, verdict, request_id, approver, reason)

    left, decision = run(work()), f"{verdict.removesuffix('e')}ed"
    if as_json:
        print_json({"request_id": request_id, "decision": decision, "request": left})
        return
    told = "the reconciler finds it" if left is None else f"request {left}"
    console.print(f"{escape(request_id)}: {decision}, {told}", highlight=False)
