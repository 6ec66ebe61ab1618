"""One move of one execution or of many: many are shown first, asked about, and counted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import typer
from rich.progress import track

from resumer_daemon.cli.common import (
    REFUSED,
    USAGE,
    console,
    errors,
    fail,
    open_session,
    print_json,
    run,
)
from resumer_daemon.cli.output import (
    TableColumn,
    cells,
    colored_status,
    escape,
    format_moment,
    print_table,
)
from resumer_daemon.errors import OperationRefused
from resumer_daemon.store import commands, queries
from resumer_daemon.store.arrays import array

Move = Literal["pause", "resume", "retry", "cancel"]

SELECTORS = "--workflow, --paused-for, --older-than or --all"
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of executions: by key, or all of a workflow (or of all workflows) in this state.

    `seconds`: paused for at least so long. `pause_number`: that of the one execution that is named.
    """

    keys: Sequence[str] | None
    workflow: str | None
    everything: bool
    statuses: tuple[str, ...]
    reason: str | None = None
    seconds: float | None = None
    pause_number: int | None = None
    by_reason: bool = False

    @property
    def filtered(self) -> bool:
        """Tell whether they have to be looked for."""
        return (
            self.everything
            or self.by_reason
            or self.workflow is not None
            or self.seconds is not None
        )


def move(
    command: Move,
    choice: Choice,
    facts: Mapping[str, Any],
    url: str | None,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Ask for one move of each chosen execution; exit with 1 where one was refused."""
    _check(choice)
    chosen = run(_choose(choice, url))
    if dry_run:
        print_json(chosen) if as_json else _show(chosen)
        return
    if choice.filtered and chosen and not yes:
        if not as_json:
            _show(chosen)
        typer.confirm(f"{command} {len(chosen)}?", abort=True, err=True)
    asked, refused = run(_ask_all(command, chosen, facts, url))
    if as_json:
        print_json({"requests": asked, "refused": refused})
    else:
        _tell(command, asked, refused)
    if refused:
        raise typer.Exit(REFUSED)


def _check(choice: Choice) -> None:
    """End the command with code 2 if the options contradict each other."""
    if choice.keys and choice.filtered:
        fail(f"name executions or select them with {SELECTORS}, not both", USAGE)
    if not choice.keys and not choice.filtered:
        fail(f"name executions, or select them with {SELECTORS}", USAGE)
    if choice.pause_number is not None and (choice.filtered or len(choice.keys or ()) != 1):
        fail("--pause is the number of one execution's pause: name that execution alone", USAGE)


async def _choose(choice: Choice, url: str | None) -> list[dict[str, Any]]:
    if not choice.filtered:
        return [
            {"execution_id": key, "pause_number": choice.pause_number} for key in choice.keys or ()
        ]
    async with open_session(url) as session:
        return await queries.select_executions(
            session, array(choice.statuses), choice.workflow, choice.reason, choice.seconds
        )


async def _ask_all(
    command: Move, chosen: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], url: str | None
) -> tuple[dict[str, int], dict[str, str]]:
    """Ask for one after the other, each for the pause that it was chosen in.

    A refusal of one stops none of the others.
    """
    asked: dict[str, int] = {}
    refused: dict[str, str] = {}
    async with open_session(url) as session:
        for row in _counted(chosen):
            key, seen = row["execution_id"], row["pause_number"]
            try:
                asked[key] = await commands.submit(
                    session, command, {**facts, "key": key, "pause_number": seen}
                )
            except OperationRefused as error:
                refused[key] = str(error)
    return asked, refused


def _counted(chosen: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Show how far it is where there are many."""
    if len(chosen) < 2:
        return chosen
    return track(chosen, description="asking", console=errors, transient=True)


def _tell(word: str, asked: Mapping[str, int], refused: Mapping[str, str]) -> None:
    for key, request in asked.items():
        console.print(f"{escape(key)}: {word} is request {request}", highlight=False)
    for key, why in refused.items():
        lines = "\n".join(escape(line) for line in why.splitlines())  # a hint has its own
        errors.print(f"[red]error:[/] {escape(key)}: {lines}", highlight=False)
    if not asked and not refused:
        console.print("nothing stands so")


CHOICE_COLUMNS = (
    TableColumn("execution"),
    TableColumn("workflow", drop=2),
    TableColumn("status"),
    TableColumn("pause", drop=3),
    TableColumn("waits for"),
    TableColumn("since", drop=1),
)


def _show(chosen: Sequence[Mapping[str, Any]]) -> None:
    rows: list[Sequence[str]] = []
    for row in chosen[:SHOWN]:
        if "status" not in row:
            rows.append((escape(row["execution_id"]), "", "", "", "", ""))
            continue
        rows.append(
            (
                *cells(row["execution_id"], row["workflow"]),
                colored_status(row["status"]),
                *cells(row["pause_number"], row["paused_for"]),
                format_moment(row["paused_at"]),
            )
        )
    print_table(console, CHOICE_COLUMNS, rows)
    if len(chosen) > SHOWN:
        console.print(f"... and {len(chosen) - SHOWN} more")
