"""`check-definition`: what is wrong with definitions, before an execution comes there."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from resumer_daemon.cli.checked import Checked, as_json, read_checked
from resumer_daemon.cli.common import (
    REFUSED,
    AsJson,
    DatabaseUrl,
    console,
    opened,
    print_json,
    run,
)
from resumer_daemon.cli.plain import escape
from resumer_daemon.store.queries import paused_places, snapshot

_SHOWN: Final = 100
_NAMED: Final = 5
_COLOURS: Final = {"error": "red", "warning": "yellow"}

Files = Annotated[
    list[Path],
    typer.Argument(help="Definitions, as JSON.", exists=True, dir_okay=False, metavar="FILE..."),
]
AgainstPaused = Annotated[
    bool,
    typer.Option(
        "--against-paused", help="Also list paused executions whose place is not in it any more."
    ),
]


def check_definition(
    files: Files,
    against_paused: AgainstPaused = False,
    database_url: DatabaseUrl = None,
    json: AsJson = False,
) -> None:
    """Check definitions; exit with 1 where an execution would fail.

    [dim]Example: resumer-daemon check-definition examples/*.json[/]
    """
    checked = [read_checked(file) for file in files]
    if against_paused:
        checked = run(_compared(checked, database_url))
    if json:
        print_json([as_json(each) for each in checked])
    else:
        _print(checked)
    if any(each.fails for each in checked):
        raise typer.Exit(REFUSED)


async def _compared(checked: Sequence[Checked], url: str | None) -> list[Checked]:
    async with opened(url) as session, snapshot(session):
        return [
            each.against(await paused_places(session, each.workflow)) if each.workflow else each
            for each in checked
        ]


def _print(checked: Sequence[Checked]) -> None:
    for each in checked:
        _print_findings(each)
        for line in _stranded(each):
            console.print(line, highlight=False, soft_wrap=True)


def _print_findings(checked: Checked) -> None:
    counts = [
        f"{count} {severity}{'s' if count > 1 else ''}"
        for severity in _COLOURS
        if (count := sum(each.severity == severity for each in checked.findings))
    ]
    said = ", ".join(counts) or "[green]ok[/]"
    console.print(f"[bold]{escape(checked.file)}[/]: {said}", highlight=False, soft_wrap=True)
    shown = checked.findings[:_SHOWN]
    width = max((len(each.path) for each in shown), default=0)
    for each in shown:
        severity = f"[{_COLOURS[each.severity]}]{each.severity:7}[/]"
        line = f"  {severity}  {escape(each.path.ljust(min(width, 60)))}  {escape(each.message)}"
        console.print(line, highlight=False, soft_wrap=True)
    if len(checked.findings) > _SHOWN:
        console.print(f"  and {len(checked.findings) - _SHOWN} more (--json has all)")


def _stranded(checked: Checked) -> Iterator[str]:
    if checked.paused is None:
        return
    stranded = sum(len(each.place.executions) for each in checked.stranded)
    yield (
        f"  paused executions of {escape(checked.workflow or '')}: {checked.paused},"
        f" {stranded} of them at a place that this definition does not have"
    )
    for each in checked.stranded:
        place, keys = each.place, ", ".join(each.place.executions[:_NAMED])
        more = len(place.executions) - _NAMED
        yield (
            f"  [{_COLOURS[each.severity]}]{each.severity:7}[/]  {escape('; '.join(each.missing))}:"
            f" {len(place.executions)} of version {escape(place.version)} ({escape(keys)}"
            f"{f' and {more} more' if more > 0 else ''})"
        )
    if any(each.place.kept for each in checked.stranded):
        yield "  Warnings: they go on with the copy of the definition that they paused with."
    if any(not each.place.kept for each in checked.stranded):
        yield "  Errors: no copy is kept of theirs; they would go on with this one, and stop."
