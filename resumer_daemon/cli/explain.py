"""`explain`: why an execution stands where it stands, and what would move it."""

from collections.abc import Mapping
from typing import Any

from resumer_daemon.cli.common import AsJson, DatabaseUrl, console, opened, print_json, run
from resumer_daemon.cli.options import Key
from resumer_daemon.cli.plain import escape
from resumer_daemon.cli.shown import coloured
from resumer_daemon.store import queries


def explain(execution: Key, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Say why an execution stands where it stands, with the SQL and the command that would move it.

    [dim]Example: resumer-daemon explain exec_5f0c77ab[/]
    """

    async def work() -> dict[str, Any]:
        async with opened(database_url, reads=True) as session:
            return await queries.explain(session, execution)

    found = run(work())
    print_json(found) if as_json else _print_explanation(found)


def _print_explanation(found: Mapping[str, Any]) -> None:
    number = found["pause_number"]
    console.print(
        f"[bold]{escape(found['execution_id'])}[/] {escape(str(found['workflow']))}:"
        f" {coloured(found['status'])}{'' if number is None else f', pause {number}'}",
        highlight=False,
    )
    for reason in found["reasons"] or ():
        console.print(f"- {escape(reason['sentence'])}", highlight=False)
        for prompt, text in (("$", reason["command"]), ("sql>", reason["sql"])):
            if text:  # in one line, to be pasted
                console.print(f"  [dim]{prompt}[/] {escape(text)}", highlight=False, soft_wrap=True)
