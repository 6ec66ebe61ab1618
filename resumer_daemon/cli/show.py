"""`list`, `show`, `explain`, `ledger`, `incidents` and `stats`. These commands only read."""

import asyncio
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from resumer_daemon.cli.common import (
    USAGE,
    AsJson,
    DatabaseUrl,
    Key,
    OlderThan,
    PausedFor,
    Workflow,
    console,
    duration,
    fail,
    open_session,
    print_json,
    run,
    with_session,
)
from resumer_daemon.cli.output import (
    TableColumn,
    build_table,
    cells,
    colored_status,
    count,
    escape,
    format_comparison,
    format_moment,
    print_table,
)
from resumer_daemon.durations import format_duration
from resumer_daemon.engine.vocabulary import ExecutionStatus, RequestKind, RequestOutcome
from resumer_daemon.store import queries
from resumer_daemon.store.queries import Entries, Filter

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Moment(NamedTuple):
    """An entry of the history.

    `became` is a status, outcome or state. `detail` is free text. `key` is the request_id of an
    approval, to be copied.
    """

    at: datetime
    when: str
    what: str
    became: str
    detail: str = ""
    key: str = ""


def show(execution: Key, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show the history of one execution.

    Steps, pauses, decisions, effects and requests, in the order of time.

    [dim]Example: resumer-daemon show exec_5f0c77ab[/]
    """
    found = with_session(
        database_url, lambda session: queries.show_execution(session, execution), reads=True
    )
    print_json(found) if as_json else _print_execution(found)


TIMELINE_COLUMNS = (
    TableColumn("  at (UTC)", key=True),
    TableColumn("what", text=True),
    TableColumn("became"),
    TableColumn("", text=True),
)


def _print_execution(found: Mapping[str, Any]) -> None:
    known = found["result"] not in (None, "", found["status"])
    result = f" as {colored_status(found['result'])}" if known else ""
    console.print(
        f"[bold]{escape(found['execution_id'])}[/] {escape(str(found['workflow']))}:"
        f" {colored_status(found['status'])}{result}",
        highlight=False,
    )
    if found["error"]:
        console.print(f"  [red]{escape(found['error'])}[/]", highlight=False)
    print_table(
        console,
        TIMELINE_COLUMNS,
        [
            (
                f"  {escape(moment.when)}",
                f"{escape(moment.what)} [key]{escape(moment.key)}[/]".removesuffix(" [key][/]"),
                colored_status(moment.became),
                escape(moment.detail),
            )
            for moment in timeline(found)
        ],
    )


def timeline(found: Mapping[str, Any]) -> list[Moment]:
    """Return the history in the order of time. Future entries are at the end."""
    moments = [
        *_steps(found["steps"]),
        *_pauses(found["pauses"]),
        *_approvals(found["approvals"]),
        *_requests(found["requests"]),
        *_effects(found["effects"]),
        *_messages(found["messages"]),
    ]
    return sorted(moments, key=lambda moment: moment.at)


def _steps(steps: list[dict[str, Any]]) -> Iterator[Moment]:
    for step in steps:
        what = f"step {step['step']} ({step['type']})"
        detail = step["error"] or step["reason"]
        if step["result"] is not None:
            compared = "; ".join(map(format_comparison, step["comparisons"] or ()))
            detail = compared or f"the condition is {str(step['result']).lower()}"
        yield from _at(step["at"], what, step["status"], detail)


def _pauses(pauses: list[dict[str, Any]]) -> Iterator[Moment]:
    for pause in pauses:
        name = f"pause {pause['number']}"
        incident = pause["incident"] or {}
        detail = f"at {pause['step']}: {incident.get('cause') or pause['reason']}"
        yield from _at(pause["paused_at"], name, "paused", detail)
        held = pause["held"] or {}
        by = f"by {held.get('actor')}" + (f": {held['reason']}" if held.get("reason") else "")
        yield from _at(held.get("since"), name, "held", by)
        yield from _at(pause["resumed_at"], name, "resumed", f"by {pause['resumed_by']}")


def _approvals(approvals: list[dict[str, Any]]) -> Iterator[Moment]:
    for approval in approvals:
        key, role = approval["request_id"], approval["role"] or "anybody"
        asked = f"of {role}: {approval['reason']}"
        yield from _at(approval["requested_at"], "approval", "asked", asked, key)
        reason = f"({approval['decision_reason']})" if approval["decision_reason"] else ""
        detail = " ".join(part for part in (approval["approver_id"], reason) if part)
        yield from _at(approval["decided_at"], "approval", approval["status"], detail, key)


def _requests(requests: list[dict[str, Any]]) -> Iterator[Moment]:
    """Yield requests, except the adopt requests of the daemon itself."""
    for request in (r for r in requests if r["kind"] != "adopt"):
        what = f"request {request['id']} {request['kind']}"
        about = [request["decision"], request["actor"], request["reason"]]
        detail = ", ".join(part for part in about if part)
        at = request["finished_at"] or request["due_at"]
        yield from _at(at, what, request["outcome"] or "open", detail)


def _effects(effects: list[dict[str, Any]]) -> Iterator[Moment]:
    for effect in effects:
        what, tries = f"{effect['kind']} {effect['path']}", f"attempt {effect['attempts']}"
        detail = f"{tries}: {effect['error']}" if effect["error"] else tries
        yield from _at(
            effect["finished_at"] or effect["intended_at"], what, effect["status"], detail
        )


def _messages(messages: list[dict[str, Any]]) -> Iterator[Moment]:
    for message in messages:
        at = message["delivered_at"] or message["created_at"]
        yield from _at(at, f"message {message['kind']}", message["state"], message["error"])


def _at(
    at: str | None, what: str, became: str | None, detail: str | None, key: str = ""
) -> Iterator[Moment]:
    """Yield an entry if it has a time.

    Other programs may write any time. One that Python cannot hold is shown as it is written, before
    or after all others.
    """
    if not at:
        return
    try:
        moment = datetime.fromisoformat(at)
        when = moment.strftime("%m-%d %H:%M:%S.%f")[:-3]
    except ValueError:
        past = at.startswith("-") or at.endswith("BC")
        moment, when = FIRST if past else LAST, at
    yield Moment(moment, when, what, became or "", detail or "", key)


REFRESH = 1.0  # seconds


def list_(
    status: Annotated[
        ExecutionStatus | None, typer.Option(help="Only executions with this status.")
    ] = None,
    workflow: Workflow = None,
    reason: PausedFor = None,
    role: Annotated[
        str | None, typer.Option(help="Only executions that wait for this role.")
    ] = None,
    older_than: OlderThan = None,
    sort: Annotated[queries.Sort, typer.Option(help="The order.")] = "started",
    limit: Annotated[int, typer.Option(min=1, help="Rows, at most.")] = 20,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh the list until Ctrl-C.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first.

    [dim]Example: resumer-daemon list --status paused --older-than 2h --sort paused --watch[/]
    """
    if watch and as_json:
        fail("--watch and --json cannot be combined", USAGE)
    wanted = Filter(status, workflow, reason, role, duration(older_than), sort, limit)
    if watch:
        run(_watch(wanted, database_url))
        return

    rows = with_session(
        database_url, lambda session: queries.list_executions(session, wanted), reads=True
    )
    print_json(rows) if as_json else console.print(listed(rows), crop=False)


async def _watch(wanted: Filter, url: str | None) -> None:
    """Refresh the list until Ctrl-C, which is not an error."""
    from rich.live import Live

    stopped = asyncio.Event()  # so that Ctrl-C never cancels a statement
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)
    with Live(console=console, auto_refresh=False) as live:
        async with open_session(url, reads=True) as session:
            while not stopped.is_set():
                rows = await queries.list_executions(session, wanted)
                live.update(listed(rows), refresh=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH):
                        await stopped.wait()


LIST_COLUMNS = (
    TableColumn("execution", key=True),
    TableColumn("workflow", drop=2),
    TableColumn("status"),
    TableColumn("result", drop=3),
    TableColumn("waits for", text=True),
    TableColumn("since", drop=1),
)


def listed(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return executions as a table."""
    return build_table(
        console.width,
        LIST_COLUMNS,
        [
            (
                escape(row["execution_id"]),
                escape(row["workflow"] or ""),
                colored_status(row["status"]),
                colored_status(row["result"]),
                escape(_waits(row)),
                format_moment(row["paused_at"]),
            )
            for row in rows
        ],
    )


def _waits(row: Mapping[str, Any]) -> str:
    if row["error"]:
        return str(row["error"])
    if row["paused_for"] is None:
        return ""
    whom = ", ".join(row["asked"] or ()) or row["event"] or row["held_by"] or row["cause"]
    return f"{row['paused_for']} at {row['paused_at_step']}" + (f": {whom}" if whom else "")


def explain(execution: Key, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Explain why an execution waits, and what moves it.

    Each reason comes with the SQL and the command that move the execution on.

    [dim]Example: resumer-daemon explain exec_5f0c77ab[/]
    """
    found = with_session(
        database_url, lambda session: queries.explain(session, execution), reads=True
    )
    print_json(found) if as_json else _print_explanation(found)


def _print_explanation(found: Mapping[str, Any]) -> None:
    number = found["pause_number"]
    console.print(
        f"[bold]{escape(found['execution_id'])}[/] {escape(str(found['workflow']))}:"
        f" {colored_status(found['status'])}{'' if number is None else f', pause {number}'}",
        highlight=False,
    )
    for reason in found["reasons"] or ():
        console.print(f"- {escape(reason['sentence'])}", highlight=False)
        for prompt, text in (("$", reason["command"]), ("sql>", reason["sql"])):
            if text:  # in one line, to be pasted
                console.print(f"  [dim]{prompt}[/] {escape(text)}", highlight=False, soft_wrap=True)


LEDGER_COLUMNS = (
    TableColumn("request", key=True),
    TableColumn("execution", key=True),
    TableColumn("what"),
    TableColumn("outcome"),
    TableColumn("asked", drop=1),
    TableColumn("took", drop=4),
    TableColumn("who", drop=2, text=True),
    TableColumn("why", drop=3, text=True),
)

Limit = Annotated[int, typer.Option(min=1, help="Rows, at most.")]


def ledger(
    execution: Annotated[str | None, typer.Option(help="Only requests of this execution.")] = None,
    kind: Annotated[RequestKind | None, typer.Option(help="Only requests of this kind.")] = None,
    outcome: Annotated[
        RequestOutcome | None, typer.Option(help="Only requests with this outcome.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only requests of the last 30m, 24h, ...")
    ] = None,
    limit: Limit = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List settled requests with their outcomes, newest first.

    [dim]Example: resumer-daemon ledger --outcome late --since 24h[/]
    """
    wanted = Entries(execution, kind, outcome, duration(since), limit)

    rows = with_session(
        database_url, lambda session: queries.list_ledger(session, wanted), reads=True
    )
    if as_json:
        print_json(rows)
        return
    table = []
    for row in rows:
        detail = f" {row['decision']}" if row["decision"] else ""
        took = "" if row["took"] is None else f"{row['took'].total_seconds():.3f}s"
        first = cells(row["request"], row["execution_key"], f"{row['kind']}{detail}")
        last = cells(format_moment(row["requested_at"]), took, row["actor"], row["reason"])
        table.append((*first, colored_status(row["outcome"]), *last))
    print_table(console, LEDGER_COLUMNS, table)


INCIDENT_COLUMNS = (
    TableColumn("execution", key=True),
    TableColumn("workflow", drop=2),
    TableColumn("step", drop=1),
    TableColumn("cause"),
    TableColumn("detail", text=True),
    TableColumn("remedy", text=True),
    TableColumn("since", drop=3),
)


def incidents(limit: Limit = 50, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List open incidents with their remedies, oldest first.

    [dim]Example: resumer-daemon incidents[/]
    """
    rows = with_session(
        database_url, lambda session: queries.list_incidents(session, limit), reads=True
    )
    if as_json:
        print_json(rows)
        return
    named = ("execution_key", "workflow", "step_id", "cause", "detail", "remedy")
    print_table(
        console,
        INCIDENT_COLUMNS,
        [(*cells(*(row[name] for name in named)), format_moment(row["paused_at"])) for row in rows],
    )


def stats(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show counts, delays, holds and daemons.

    Settled requests are those of the last hour.

    [dim]Example: resumer-daemon stats --json[/]
    """
    found = with_session(database_url, queries.stats, reads=True)
    print_json(found) if as_json else _print_stats(found)


def _print_stats(found: Mapping[str, Any]) -> None:
    standing = ", ".join(f"{n} {colored_status(s)}" for s, n in sorted(found["executions"].items()))
    lag = found["lag"]
    late = f"{lag['number']} due" + (
        f", the oldest {format_moment(lag['oldest'])}" if lag["number"] else ""
    )
    messages = ", ".join(f"{n} {s}" for s, n in sorted(found["messages"].items()))
    table = Table("", "", box=None, show_header=False)
    table.add_row("executions", standing or "all have ended")
    for pause in found["paused"]:
        table.add_row(
            f"  {pause['reason']}",
            f"{pause['number']}, the oldest {format_moment(pause['oldest'])}",
        )
    table.add_row("requests", late)
    table.add_row("daemons", f"{found['daemons']} connected, {count(found['leases'], 'lease')}")
    table.add_row("messages", messages or "all delivered")
    for hold in found["holds"]:
        why = f" ({hold['reason']})" if hold["reason"] else ""
        until = f", ends {format_moment(hold['until'])}" if hold["until"] else ""
        detail = (
            f"{hold['workflow']} by {hold['actor']}{why}, {format_moment(hold['held_at'])}{until}"
        )
        table.add_row("on hold", *cells(detail))
    console.print(table)
    settled = Table("last hour", "outcome", "requests", "median time to settle", box=None)
    for row in found["last_hour"]:
        median = format_duration(round(float(row["median_seconds"]), 3))
        settled.add_row(row["kind"], colored_status(row["outcome"]), str(row["number"]), median)
    if found["last_hour"]:
        console.print(settled)
