"""`hold` and `release`: a whole workflow, or everything, stops and goes on again."""

from typing import Annotated

import typer

from resumer_daemon.cli.common import (
    USAGE,
    AsJson,
    DatabaseUrl,
    console,
    fail,
    opened,
    print_json,
    run,
)
from resumer_daemon.cli.options import Actor, DryRun, Why, Yes, duration
from resumer_daemon.cli.plain import escape
from resumer_daemon.store import commands, queries
from resumer_daemon.store.arrays import array

WorkflowName = Annotated[str | None, typer.Option(help="The workflow_id.")]
AllWorkflows = Annotated[bool, typer.Option("--all", help="Every workflow.")]
OPEN = ("pending", "running", "paused")


def hold(
    workflow: WorkflowName = None,
    everything: AllWorkflows = False,
    time: Annotated[
        str | None, typer.Option("--for", help="Release it by itself after so long: 30m, 2h.")
    ] = None,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Hold a workflow, or everything: what runs stops before its next step, what comes is kept.

    [dim]Example: resumer-daemon hold --workflow orders --for 2h --as mia --reason "stock count"[/]
    """
    name, seconds = _name(workflow, everything), duration(time)
    found = run(_in_scope(workflow, database_url))
    if not as_json:
        console.print(f"{_spoken(name)}: {found} executions that have not ended", highlight=False)
    elif dry_run:
        print_json({"workflow": name, "executions": found})
    if dry_run:
        return
    if everything and not yes:
        typer.confirm("hold everything?", abort=True, err=True)
    facts = {"workflow": name, "seconds": seconds, "actor": actor, "reason": reason}

    async def work() -> int:
        async with opened(database_url) as session:
            return await commands.request_move(session, "ask_hold", facts)

    made = run(work())
    if as_json:
        print_json({"workflow": name, "executions": found, "hold": made})
    else:
        console.print(f"{_spoken(name)} is on hold: {made}", highlight=False)


def release(
    workflow: WorkflowName = None,
    everything: AllWorkflows = False,
    per_second: Annotated[
        int, typer.Option(min=1, help="At most so many executions go on in a second.")
    ] = 50,
    actor: Actor = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Release what is on hold; it goes on at a bounded rate.

    [dim]Example: resumer-daemon release --workflow orders --per-second 20[/]
    """
    name = _name(workflow, everything)
    facts = {"workflow": name, "per_second": per_second, "actor": actor}

    async def work() -> int:
        async with opened(database_url) as session:
            return await commands.request_move(session, "ask_release", facts)

    going = run(work())
    if as_json:
        print_json({"workflow": name, "going": going})
    else:
        console.print(f"{_spoken(name)} is released: {going} go on", highlight=False)


def _name(workflow: str | None, everything: bool) -> str:
    if everything == (workflow is not None):
        fail("say which: --workflow NAME, or --all", USAGE)
    return "*" if workflow is None else workflow


def _spoken(name: str) -> str:
    return "everything" if name == "*" else escape(name)


async def _in_scope(workflow: str | None, url: str | None) -> int:
    async with opened(url) as session:
        return len(await queries.choose_executions(session, array(OPEN), workflow, None, None))
