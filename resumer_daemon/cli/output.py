"""Output for people: tables, ages and colours. Control characters are spelled out."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich import markup
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from resumer_daemon.durations import format_age
from resumer_daemon.telemetry.text import printable
from resumer_daemon.workflow.values import Json, dump, to_text


def escape(text: str) -> str:
    """Return a text that rich prints literally, with control characters spelled out."""
    return markup.escape(printable(text))


FULL_WIDTH = 100_000
"""The width in characters of output that no terminal shows: a program reads it line by line."""


class PlainConsole(Console):
    """A console that spells out control characters in everything that a command prints.

    Line ends stay, because rich itself writes them.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        shown = (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ
        super().__init__(stderr=stderr, width=None if shown else FULL_WIDTH)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(map(_plain, buffer))


def _plain(segment: Segment) -> Segment:
    text, style, control = segment
    if control or text.replace("\n", "").isprintable():
        return segment
    return Segment("\n".join(map(printable, text.split("\n"))), style)


COLOURS = {
    "completed": "green",
    "allowed": "green",
    "approved": "green",
    "applied": "green",
    "paused": "yellow",
    "held": "yellow",
    "pending": "cyan",
    "running": "cyan",
    "failed": "red",
    "blocked": "red",
    "rejected": "red",
    "incident": "red",
    "cancelled": "dim",
    "superseded": "dim",
}


def colored_status(word: str | None) -> str:
    """Return a status, result or outcome in its colour."""
    if not word:
        return ""
    colour = COLOURS.get(word)
    return f"[{colour}]{escape(word)}[/]" if colour else escape(word)


def format_moment(moment: datetime | str | None) -> str:
    """Return how long ago a moment is, or in how long it comes.

    A time that Python cannot hold is returned as it is written.
    """
    if moment is None:
        return ""
    try:
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return escape(str(moment))
    seconds = (datetime.now(UTC) - at).total_seconds()
    away = format_age(abs(seconds))
    return f"in {away}" if seconds < 0 else f"{away} ago"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 execution`, `2 executions`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cells(*values: object) -> list[str]:
    """Return the cells of a row, with markup escaped."""
    return ["" if value is None else escape(str(value)) for value in values]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table. A `text` wraps between words, any other value stays in one line.

    Where the terminal is too narrow, columns are left out: that with the highest `drop` first. 0
    stays.
    """

    head: str
    drop: int = 0
    text: bool = False


TEXT_WIDTH = 16
"""The least width in characters of a text that wraps."""


def print_table(
    console: Console, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]
) -> None:
    """Print a table of cells in markup."""
    console.print(build_table(console.width, columns, rows), soft_wrap=False, crop=False)


def build_table(width: int, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table for a terminal of this width. A key or a word is never broken."""
    rows = list(rows)
    texts = [[Text.from_markup(cell) for cell in row] for row in rows]
    least = [_least(column, [row[n] for row in texts]) for n, column in enumerate(columns)]
    shown = set(range(len(columns)))
    while sum(least[n] + 2 for n in shown) > width:
        spare = max(shown, key=lambda n: columns[n].drop)
        if not columns[spare].drop:
            break
        shown.remove(spare)
    wide = sum(least[n] + 2 for n in shown) > width  # the terminal breaks the line, not the key
    made = Table(box=None, width=sum(least[n] + 2 for n in shown) if wide else None)
    for n in sorted(shown):
        made.add_column(
            columns[n].head, no_wrap=not columns[n].text, min_width=least[n], overflow="fold"
        )
    for row in texts:
        made.add_row(*(row[n] for n in sorted(shown)))
    return made


def _least(column: TableColumn, texts: Iterable[Text]) -> int:
    """Return the least width that breaks no word."""
    widths = [cell_len(column.head)]
    for text in texts:
        words = text.plain.split() if column.text else [text.plain]
        widths += [cell_len(word) for word in words]
        if column.text:
            widths.append(min(TEXT_WIDTH, cell_len(text.plain)))
    return max(widths)


STEP_COLUMNS = (
    TableColumn("  step"),
    TableColumn("type", drop=1),
    TableColumn("status"),
    TableColumn("reason", text=True),
)


def print_steps(console: Console, steps: Iterable[Mapping[str, Any]]) -> None:
    """Print step records as a table."""
    print_table(
        console,
        STEP_COLUMNS,
        [
            (
                f"  {escape(step['step'])}",
                escape(step["type"] or ""),
                colored_status(step["status"]),
                escape(step["error"] or step["reason"] or ""),
            )
            for step in steps
        ],
    )


def format_comparison(seen: Mapping[str, Any]) -> str:
    """Return what a condition compared, the value it saw, and the result or the error."""
    comparison = f"{to_text(seen['field'])} {to_text(seen['operator'])}"
    comparison += "" if seen["value"] is None else f" {short(seen['value'])}"
    result = seen["error"] if "error" in seen else "true" if seen["holds"] else "false"
    return f"{comparison}: saw {short(seen['actual'])}, {result}"


SHORT = 200
"""The longest value, in characters of JSON, that is printed whole."""


def short(value: Json) -> str:
    """Return a value as JSON, cut if it is long."""
    text = dump(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}..."
