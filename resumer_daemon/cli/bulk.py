"""One command for one execution or for many. A selection is shown and confirmed first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import typer
from rich.progress import track

from resumer_daemon.cli.common import (
    OPERATOR,
    READER,
    REFUSED,
    USAGE,
    console,
    errors,
    fail,
    in_lines,
    open_session,
    print_json,
    run,
)
from resumer_daemon.cli.hints import in_commands
from resumer_daemon.cli.output import (
    TableColumn,
    cells,
    colored_status,
    count,
    escape,
    format_moment,
    print_table,
)
from resumer_daemon.errors import OperationRefused
from resumer_daemon.store import commands, queries
from resumer_daemon.store.arrays import array
from resumer_daemon.store.session import Session

Move = Literal["pause", "resume", "retry", "cancel"]

SELECTORS = "--workflow, --paused-for, --older-than or --all"
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Selection:
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
        """True if filters select the executions."""
        return (
            self.everything
            or self.by_reason
            or self.workflow is not None
            or self.seconds is not None
        )


def move(
    command: Move,
    selection: Selection,
    facts: Mapping[str, Any],
    url: str | None,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Submit one command for each selected execution. Exit with 1 if one was refused."""
    _check_options(selection)
    selected = run(_select(selection, url))
    if dry_run:
        print_json(selected) if as_json else _print_selection(selected)
        return
    if selection.filtered and selected and not yes:
        if not as_json:
            _print_selection(selected)
        question = f"{command.capitalize()} {count(len(selected), 'execution')}?"
        typer.confirm(question, abort=True, err=True)
    submitted, refused = run(_submit_all(command, selected, facts, url))
    if as_json:
        print_json({"requests": submitted, "refused": refused})
    else:
        _print_results(command, submitted, refused)
    if refused:
        raise typer.Exit(REFUSED)


def _check_options(selection: Selection) -> None:
    """End the command with code 2 if the options contradict each other."""
    if selection.keys and selection.filtered:
        fail(f"name executions or select them with {SELECTORS}, not both", USAGE)
    if not selection.keys and not selection.filtered:
        fail(f"name executions, or select them with {SELECTORS}", USAGE)
    if selection.pause_number is not None and (
        selection.filtered or len(selection.keys or ()) != 1
    ):
        fail("--pause needs exactly one execution: name that execution alone", USAGE)


async def _select(selection: Selection, url: str | None) -> list[dict[str, Any]]:
    if not selection.filtered:
        keys = await _readable_keys(selection.keys or (), url)
        return [{"execution_id": key, "pause_number": selection.pause_number} for key in keys]
    async with open_session(url, needs=[READER, OPERATOR]) as session:
        return await queries.select_executions(
            session,
            array(selection.statuses),
            selection.workflow,
            selection.reason,
            selection.seconds,
        )


async def _readable_keys(keys: Sequence[str], url: str | None) -> Sequence[str]:
    """Return keys with the `execution_id` in place of each id that exists."""
    if not any(map(_is_id, keys)):
        return keys
    async with open_session(url) as session:
        return [await _readable_key(session, key) if _is_id(key) else key for key in keys]


async def _readable_key(session: Session, key: str) -> str:
    try:
        return await commands.execution_key(session, key)
    except OperationRefused:  # it does not exist: the command says so
        return key


def _is_id(key: str) -> bool:
    try:
        UUID(key)
    except ValueError:
        return False
    return True


async def _submit_all(
    command: Move, selected: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], url: str | None
) -> tuple[dict[str, int], dict[str, str]]:
    """Submit one request after the other, each for the pause that the selection showed.

    A refused request does not stop the others.
    """
    submitted: dict[str, int] = {}
    refused: dict[str, str] = {}
    async with open_session(url) as session:
        for row in _with_progress(selected):
            key, pause_number = row["execution_id"], row["pause_number"]
            try:
                submitted[key] = await commands.submit(
                    session, command, {**facts, "key": key, "pause_number": pause_number}
                )
            except OperationRefused as error:
                refused[key] = in_commands(str(error), key)
    return submitted, refused


def _with_progress(selected: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Show a progress bar if there are several executions."""
    if len(selected) < 2:
        return selected
    return track(selected, description="submitting requests", console=errors, transient=True)


def _print_results(word: str, submitted: Mapping[str, int], refused: Mapping[str, str]) -> None:
    for key, request in submitted.items():
        line = f"{escape(key)}: {word} is request {request}"
        console.print(line, highlight=False, soft_wrap=True)
    for key, reason in refused.items():
        subject = "" if key in reason.partition("\n")[0] else f"{escape(key)}: "
        line = f"[red]error:[/] {subject}{in_lines(reason)}"
        errors.print(line, highlight=False, soft_wrap=True)
    if not submitted and not refused:
        console.print("No matching executions.")


SELECTION_COLUMNS = (
    TableColumn("execution", key=True),
    TableColumn("workflow", drop=2),
    TableColumn("status"),
    TableColumn("pause", drop=3),
    TableColumn("waits for"),
    TableColumn("since", drop=1),
)


def _print_selection(selected: Sequence[Mapping[str, Any]]) -> None:
    rows: list[Sequence[str]] = []
    for row in selected[:SHOWN]:
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
    print_table(console, SELECTION_COLUMNS, rows)
    if len(selected) > SHOWN:
        console.print(f"... and {len(selected) - SHOWN} more")
