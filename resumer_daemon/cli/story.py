"""The story that `dev` tells: one workflow paused, decided by a plain UPDATE, resumed."""

import asyncio
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import psycopg
from rich.rule import Rule

from resumer_daemon.cli.common import console
from resumer_daemon.cli.plain import escape
from resumer_daemon.cli.shown import coloured, steps_table
from resumer_daemon.errors import Refused
from resumer_daemon.store import commands, queries
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json

PATIENCE = 20.0
PAYLOAD = {
    "order": {"id": "A-1001", "total": 12500},
    "customer": {"id": "C-7", "tier": "silver"},
}


class Story:
    """Tells what happens to executions of one definition, as it happens."""

    def __init__(self, session: Session, document: Mapping[str, Json], url: str) -> None:
        self._session = session
        self._document = document
        self._workflow: str = document["workflow_id"]
        self._url = url

    async def tell(self) -> None:
        """Take the workflow through an approval, a rejection and an expiry."""
        await commands.load_workflow(self._session, self._document)
        await self._decided("approved", "the sales manager approves")
        await self._decided("rejected", "the sales manager rejects")
        await self._expired()

    async def _decided(self, verdict: str, title: str) -> None:
        console.print(Rule(f"[bold]{title}[/]", align="left", style="dim"))
        execution = await self.pause()
        asked = (await queries.show_execution(self._session, execution))["approvals"][0]
        statement = commands.plain_decision(asked["request_id"], verdict)
        console.print(f"[dim]sql>[/] {escape(statement)}", highlight=False, soft_wrap=True)
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as other:
            await other.execute(statement.encode())
        await self._ended(execution)

    async def _expired(self) -> None:
        console.print(Rule("[bold]nobody answers in time[/]", align="left", style="dim"))
        hasty = _with_timeout(self._document, "1s")
        await commands.load_workflow(self._session, hasty)
        execution = await self.pause(hasty["workflow_id"])
        await self._ended(execution)

    async def pause(self, workflow: str | None = None) -> str:
        """Start an execution and wait until it is paused; return its id."""
        execution = await commands.start(self._session, workflow or self._workflow, PAYLOAD)
        found = await self._until(execution, lambda e: e["status"] == "paused")
        asked, pause = found["approvals"][0], found["pauses"][-1]
        console.print(
            f"{found['execution_id']} is {coloured('paused')} at [bold]{pause['step']}[/] since"
            f" {pause['paused_at'][11:23]}: waits for [bold]{asked['role']}[/]"
            f" ({asked['request_id']})",
            highlight=False,
            soft_wrap=True,
        )
        return execution

    async def _ended(self, execution: str) -> None:
        found = await self._until(execution, lambda e: e["status"] != "paused")
        after = await commands.resumed_after(self._session, execution)
        took = (
            "" if after is None else f", resumed [bold]{after * 1000:.1f} ms[/] after the decision"
        )
        console.print(
            f"{found['execution_id']} is {coloured(found['status'])} as"
            f" {coloured(found['result'])}{took}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(steps_table(found["steps"]))
        console.print()

    async def _until(
        self, execution: str, fact: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = await queries.show_execution(self._session, execution)
                    if fact(found):
                        return found
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise Refused(f"execution {execution} did not get there in {PATIENCE:.0f} s") from None


def _with_timeout(document: Mapping[str, Json], timeout: str) -> dict[str, Json]:
    """Return the same workflow, with approvals that expire soon."""
    hasty = deepcopy(dict(document))
    hasty["workflow_id"] = f"{document['workflow_id']}_in_a_hurry"
    for step in hasty["definition"]["steps"]:
        if "requires" in step:
            step["requires"]["timeout"] = timeout
    return hasty
