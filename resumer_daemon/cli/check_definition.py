"""`check-definition`: check definitions, and find paused executions that they cannot continue."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from resumer_daemon.cli.common import (
    REFUSED,
    AsJson,
    DatabaseUrl,
    console,
    open_session,
    print_json,
    run,
)
from resumer_daemon.cli.output import escape
from resumer_daemon.engine.compatibility import find_incompatible
from resumer_daemon.store.queries import PausedPlace, paused_by_step, read_snapshot
from resumer_daemon.workflow.checks.document import check
from resumer_daemon.workflow.checks.finding import Finding, error
from resumer_daemon.workflow.definition import Definition
from resumer_daemon.workflow.errors import DefinitionError
from resumer_daemon.workflow.parser import parse_definition
from resumer_daemon.workflow.values import Json, load


@dataclass(frozen=True, slots=True)
class IncompatiblePause:
    """Executions paused at a place that the definition does not have, and what is missing."""

    place: PausedPlace
    missing: tuple[str, ...]

    @property
    def severity(self) -> str:
        """An error if no copy of the old definition is kept: the executions need the new one."""
        return "warning" if self.place.kept else "error"


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and its findings. `paused` is None if it was not compared with paused executions."""

    file: str
    workflow: str | None
    definition: Definition | None
    findings: tuple[Finding, ...]
    paused: int | None = None
    incompatible: tuple[IncompatiblePause, ...] = ()

    @property
    def fails(self) -> bool:
        """True if an execution would fail."""
        severities = [each.severity for each in self.findings]
        return "error" in (*severities, *(each.severity for each in self.incompatible))

    def against(self, places: Iterable[PausedPlace]) -> "Checked":
        """Compare with the places at which executions of the workflow are paused."""
        if self.definition is None:
            return self
        places = tuple(places)
        found = ((place, find_incompatible(place.point, self.definition)) for place in places)
        return replace(
            self,
            paused=sum(len(place.executions) for place in places),
            incompatible=tuple(
                IncompatiblePause(place, missing) for place, missing in found if missing
            ),
        )


def read_checked(file: Path) -> Checked:
    """Read and check a file. An unreadable file is a finding."""
    try:
        document = load(file.read_bytes().decode())
    except UnicodeDecodeError as wrong:
        return Checked(str(file), None, None, (error("$", f"not UTF-8 at byte {wrong.start}"),))
    except ValueError as unreadable:
        return Checked(str(file), None, None, (error("$", str(unreadable)),))
    workflow = document.get("workflow_id") if isinstance(document, dict) else None
    return Checked(
        str(file),
        workflow if isinstance(workflow, str) else None,
        _normalised(document),
        tuple(check(document)),
    )


def _normalised(document: Json) -> Definition | None:
    try:
        return parse_definition(document)
    except (DefinitionError, ValueError):
        return None


def as_json(checked: Checked) -> Json:
    """Return the findings as JSON."""
    found: dict[str, Json] = {
        "file": checked.file,
        "workflow_id": checked.workflow,
        "findings": [
            {"severity": each.severity, "path": each.path, "message": each.message}
            for each in checked.findings
        ],
    }
    if checked.paused is not None:
        found["paused"] = checked.paused
        found["stranded"] = [_stranded_as_json(each) for each in checked.incompatible]
    return found


def _stranded_as_json(each: IncompatiblePause) -> Json:
    place = each.place
    return {
        "severity": each.severity,
        "missing": list(each.missing),
        "step_id": place.point.step_id,
        "reason": place.point.reason,
        "version": place.version,
        "goes_on_with": "kept copy" if place.kept else "new definition",
        "since": place.since,
        "executions": list(place.executions),
    }


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
        "--against-paused",
        help="Also list paused executions whose step the definition no longer has.",
    ),
]


def check_definition(
    files: Files,
    against_paused: AgainstPaused = False,
    database_url: DatabaseUrl = None,
    json: AsJson = False,
) -> None:
    """Check workflow definitions.

    Exit code 1: a definition has an error.

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
    async with open_session(url) as session, read_snapshot(session):
        return [
            each.against(await paused_by_step(session, each.workflow)) if each.workflow else each
            for each in checked
        ]


def _print(checked: Sequence[Checked]) -> None:
    for each in checked:
        _print_findings(each)
        for line in _incompatible(each):
            console.print(line, highlight=False, soft_wrap=True)


def _print_findings(checked: Checked) -> None:
    counts = [
        f"{count} {severity}{'s' if count > 1 else ''}"
        for severity in _COLOURS
        if (count := sum(each.severity == severity for each in checked.findings))
    ]
    summary = ", ".join(counts) or "[green]ok[/]"
    console.print(f"[bold]{escape(checked.file)}[/]: {summary}", highlight=False, soft_wrap=True)
    shown = checked.findings[:_SHOWN]
    width = max((len(each.path) for each in shown), default=0)
    for each in shown:
        severity = f"[{_COLOURS[each.severity]}]{each.severity:7}[/]"
        line = f"  {severity}  {escape(each.path.ljust(min(width, 60)))}  {escape(each.message)}"
        console.print(line, highlight=False, soft_wrap=True)
    if len(checked.findings) > _SHOWN:
        console.print(f"  and {len(checked.findings) - _SHOWN} more (--json has all)")


def _incompatible(checked: Checked) -> Iterator[str]:
    if checked.paused is None:
        return
    incompatible = sum(len(each.place.executions) for each in checked.incompatible)
    yield (
        f"  paused executions of {escape(checked.workflow or '')}: {checked.paused},"
        f" {incompatible} of them at a place that this definition does not have"
    )
    for each in checked.incompatible:
        place, keys = each.place, ", ".join(each.place.executions[:_NAMED])
        more = len(place.executions) - _NAMED
        yield (
            f"  [{_COLOURS[each.severity]}]{each.severity:7}[/]  {escape('; '.join(each.missing))}:"
            f" {len(place.executions)} of version {escape(place.version)} ({escape(keys)}"
            f"{f' and {more} more' if more > 0 else ''})"
        )
    if any(each.place.kept for each in checked.incompatible):
        yield (
            "  Warnings: these executions continue with the copy of the definition from their"
            " pause."
        )
    if any(not each.place.kept for each in checked.incompatible):
        yield (
            "  Errors: no copy of their definition is kept. They would continue with this one, and"
            " fail."
        )
