"""`pause`, `resume`, `retry`, `cancel`, `hold`, `release` and `adopt`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import psycopg
import typer

from resumer_daemon.cli.bulk import Selection, move
from resumer_daemon.cli.common import (
    OPERATOR,
    READER,
    USAGE,
    Actor,
    AsJson,
    DatabaseUrl,
    DryRun,
    OlderThan,
    PausedFor,
    Why,
    Workflow,
    Yes,
    console,
    document,
    duration,
    errors,
    fail,
    open_session,
    print_json,
    run,
    with_session,
)
from resumer_daemon.cli.output import TableColumn, count, escape, print_table
from resumer_daemon.durations import parse_duration
from resumer_daemon.store import commands, queries
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import dump

Keys = Annotated[list[str] | None, typer.Argument(help="Ids or execution_ids.")]
PauseNumber = Annotated[
    int | None,
    typer.Option(
        "--pause", help="The number of the pause, from `explain`. Refused if another pause is open."
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="All matching executions.")]


def pause(
    executions: Keys = None,
    workflow: Workflow = None,
    everything: Everything = False,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Pause executions before their next step.

    A paused execution stays paused. The daemon keeps decisions that arrive meanwhile, and applies
    them after the resume. To stop a whole workflow with later executions, use `hold`.

    [dim]Example: resumer-daemon pause exec_5f0c77ab --as mia --reason "stock count"[/]
    """
    selection = Selection(executions, workflow, everything, ("pending", "running", "paused"))
    facts = {"actor": actor, "reason": reason}
    move("pause", selection, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


def resume(
    executions: Keys = None,
    workflow: Workflow = None,
    paused_for: PausedFor = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    data: Annotated[
        str, typer.Option(help="Resume data for the context: a JSON object, or a file.")
    ] = "{}",
    force: Annotated[
        bool, typer.Option("--force", help="Resume although an approval is missing.")
    ] = False,
    pause_number: PauseNumber = None,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Resume paused executions.

    With `--workflow`, `--older-than` or `--all`, only manually paused executions are selected,
    unless `--paused-for` is given. To resume although an approval is missing, add `--force` and
    `--pause` with the number that `explain` prints.

    [dim]Example: resumer-daemon resume exec_5f0c77ab --force --pause 2 --as mia --reason phone[/]
    """
    resume_data = document("--data", data)
    if not isinstance(resume_data, dict):
        fail("--data is not a JSON object such as '{\"counted\": 7}'", USAGE)
    waits, seconds = paused_for or "manual", duration(older_than)
    selection = Selection(
        executions,
        workflow,
        everything,
        ("paused",),
        waits,
        seconds,
        pause_number=pause_number,
        by_reason=paused_for is not None,
    )
    facts = {"actor": actor, "reason": reason, "data": dump(resume_data), "force": force}
    move("resume", selection, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


def retry(
    executions: Keys = None,
    workflow: Workflow = None,
    paused_for: PausedFor = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    from_step: Annotated[str | None, typer.Option(help="Continue from this step instead.")] = None,
    skip_effect: Annotated[
        str | None, typer.Option(help="Treat the effect with this Idempotency-Key as done.")
    ] = None,
    pause_number: PauseNumber = None,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Continue executions that stopped at an incident.

    With `--workflow`, `--older-than` or `--all`, only executions with an incident are selected.

    [dim]Example: resumer-daemon retry exec_5f0c77ab --reason "definition corrected"[/]
    """
    selection = Selection(
        executions,
        workflow,
        everything,
        ("paused",),
        paused_for or "incident",
        duration(older_than),
        pause_number=pause_number,
        by_reason=paused_for is not None,
    )
    facts = {
        "actor": actor, "reason": reason, "from_step": from_step, "skip_effect": skip_effect,
    }  # fmt: skip
    move("retry", selection, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


def cancel(
    executions: Keys = None,
    workflow: Workflow = None,
    paused_for: PausedFor = None,
    older_than: OlderThan = None,
    everything: Everything = False,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Cancel executions. They end without a result.

    With `--workflow`, `--paused-for`, `--older-than` or `--all`, only paused executions are
    selected.

    [dim]Example: resumer-daemon cancel --workflow old_flow --older-than 720h --dry-run[/]
    """
    seconds = duration(older_than)
    selection = Selection(
        executions,
        workflow,
        everything,
        ("paused",),
        paused_for,
        seconds,
        by_reason=paused_for is not None,
    )
    facts = {"actor": actor, "reason": reason}
    move("cancel", selection, facts, database_url, yes=yes, dry_run=dry_run, as_json=as_json)


WorkflowName = Annotated[str | None, typer.Option(help="The workflow_id.")]
AllWorkflows = Annotated[bool, typer.Option("--all", help="Every workflow.")]
OPEN = ("pending", "running", "paused")


def hold(
    workflow: WorkflowName = None,
    everything: AllWorkflows = False,
    time: Annotated[
        str | None, typer.Option("--for", help="Release the hold after this time: 30m, 2h.")
    ] = None,
    actor: Actor = None,
    reason: Why = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop a workflow, or every workflow, until it is released.

    Running executions stop before their next step. New executions and decisions wait.

    [dim]Example: resumer-daemon hold --workflow orders --for 2h --as mia --reason "stock count"[/]
    """
    name, seconds = _name(workflow, everything), duration(time)
    found = run(_in_scope(workflow, database_url, required=dry_run))
    of = "" if found is None else f": {count(found, 'unfinished execution')}"
    if dry_run:
        if as_json:
            print_json({"workflow": name, "executions": found})
        else:
            console.print(f"{_workflow_label(name)}{of}", highlight=False)
        return
    if everything and not yes:
        typer.confirm(f"Hold every workflow{of}?", abort=True, err=True)
    facts = {"workflow": name, "seconds": seconds, "actor": actor, "reason": reason}

    made = with_session(database_url, lambda session: commands.submit(session, "hold", facts))
    if as_json:
        print_json({"workflow": name, "executions": found, "hold": made})
    else:
        line = f"{_workflow_label(name)} is on hold (hold {made}){of}."
        console.print(line, highlight=False)


def release(
    workflow: WorkflowName = None,
    everything: AllWorkflows = False,
    per_second: Annotated[
        int, typer.Option(min=1, help="Executions resumed per second, at most.")
    ] = 50,
    actor: Actor = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End a hold.

    Its executions resume at a limited rate.

    [dim]Example: resumer-daemon release --workflow orders --per-second 20[/]
    """
    name = _name(workflow, everything)
    facts = {"workflow": name, "per_second": per_second, "actor": actor}

    going = with_session(database_url, lambda session: commands.submit(session, "release", facts))
    if as_json:
        print_json({"workflow": name, "going": going})
    else:
        console.print(
            f"Released {_workflow_label(name)}; {count(going, 'execution')} will resume.",
            highlight=False,
        )


def _name(workflow: str | None, everything: bool) -> str:
    if everything == (workflow is not None):
        fail("name a workflow with --workflow NAME, or give --all", USAGE)
    return "*" if workflow is None else workflow


def _workflow_label(name: str) -> str:
    return "every workflow" if name == "*" else escape(name)


async def _in_scope(workflow: str | None, url: str | None, *, required: bool) -> int | None:
    """Return how many executions a hold stops.

    None: the role may hold, but not read. That is an error only if the number is `required`.
    """
    try:
        async with open_session(url, reads=True) as session:
            return len(await queries.select_executions(session, array(OPEN), workflow, None, None))
    except psycopg.errors.InsufficientPrivilege:
        if required:
            raise
        return None


SHOWN = 20


def adopt(
    since: Annotated[
        str,
        typer.Option(
            help="Blocked since this time (`2026-01-31T09:30`), or at most this long ago (`2d`)."
        ),
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Adopt them. Without it they are only listed.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Executions per transaction.")] = 500,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Turn executions that the service blocked earlier into pauses.

    Without `--yes` the command only lists them. A daemon decides about each: an execution without
    an approval request stays blocked.

    [dim]Example: resumer-daemon adopt --since 2026-01-31 --yes[/]
    """
    begin = _time(since)

    async def adopt_all(session: Session) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        with errors.status("looking for blocked executions") as progress:
            async for found in commands.find_blocked(session, begin, batch=batch):
                if yes:
                    await commands.request_adoption(session, found)
                rows += found
                progress.update(f"{len(rows)} blocked executions")
        return rows

    rows = with_session(database_url, adopt_all, needs=[READER, OPERATOR])
    if as_json:
        print_json({"asked": yes, "executions": rows})
        return
    if rows:
        _print_blocked(rows[:SHOWN])
    console.print(_adoption(len(rows), asked=yes), highlight=False)


def _adoption(found: int, *, asked: bool) -> str:
    if not found:
        return "No blocked execution found."
    blocked = count(found, "blocked execution")
    if asked:
        return f"A daemon will check {blocked}."
    return f"{blocked} found. With `--yes`, a daemon checks each."


def _time(text: str) -> datetime | timedelta:
    """Return a time, or how long ago it was by the clock of the database."""
    ago = parse_duration(text)
    try:
        given = datetime.fromisoformat(text) if ago is None else timedelta(seconds=ago)
    except ValueError:
        fail(f"--since is not a time: {text!r} (such as 2d, or 2026-01-31T09:30 in UTC)", USAGE)
    if isinstance(given, timedelta):
        return given
    return given if given.tzinfo else given.replace(tzinfo=UTC)


BLOCKED_COLUMNS = (
    TableColumn("execution", key=True),
    TableColumn("workflow", drop=1),
    TableColumn("blocked at", drop=2),
    TableColumn("pending"),
    TableColumn("decided"),
)


def _print_blocked(rows: list[dict[str, Any]]) -> None:
    table = [
        (
            escape(row["key"]),
            escape(row["workflow"] or ""),
            str(row["completed_at"] or row["started_at"]),
            str(row["pending"]),
            str(row["decided"]),
        )
        for row in rows
    ]
    print_table(console, BLOCKED_COLUMNS, table)
