"""One command for one execution or for many. A selection is shown and confirmed first."""

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
    """A selection of executions, by key or by filter.

    `seconds`: paused for at least that long. `pause_number`: the pause of a single named execution.
    `by_reason`: the reason of the pause alone selects.
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
        """Whether filters select the executions."""
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
    """Submit one command for each selected execution. Exit with 1 if one was refused."""
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
        fail("--pause needs exactly one execution: name that execution alone", USAGE)


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
    """Submit one request after the other, each for the pause that the selection showed.

    A refused request does not stop the others.
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
    """Show a progress bar if there are several executions."""
    if len(chosen) < 2:
        return chosen
    return track(chosen, description="submitting requests", console=errors, transient=True)


def _tell(word: str, asked: Mapping[str, int], refused: Mapping[str, str]) -> None:
    for key, request in asked.items():
        console.print(f"{escape(key)}: {word} is request {request}", highlight=False)
    for key, why in refused.items():
        lines = "\n".join(escape(line) for line in why.splitlines())  # a hint has its own
        errors.print(f"[red]error:[/] {escape(key)}: {lines}", highlight=False)
    if not asked and not refused:
        console.print("No matching executions.")


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
