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

RULE_WIDTH = 80
"""The width of a headline in characters, at most."""


class PlainConsole(Console):
    """A console that spells out control characters in everything that a command prints.

    Line ends stay, because rich itself writes them.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        shown = (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ
        super().__init__(stderr=stderr, width=None if shown else FULL_WIDTH)

    def on_broken_pipe(self) -> None:
        """Print nothing more. rich would end the command, and its work would stop halfway."""
        self.quiet = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.file.fileno())
        os.close(null)

    def headline(self, text: str) -> None:
        """Print a headline with a line behind it."""
        from rich.rule import Rule

        rule = Rule(f"[bold]{text}[/]", align="left", style="dim")
        self.print(rule, width=min(self.width, RULE_WIDTH))

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


def count_are(number: int, noun: str) -> str:
    """Return a number with its noun and verb: `1 execution is`, `2 executions are`."""
    return f"{count(number, noun)} {'is' if number == 1 else 'are'}"


def cells(*values: object) -> list[str]:
    """Return the cells of a row, with markup escaped."""
    return ["" if value is None else escape(str(value)) for value in values]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table. A `text` wraps between words, any other value stays in one line.

    Where the terminal is too narrow, long values are shortened with an ellipsis, but never a `key`.
    Then columns are left out: that with the highest `drop` first. 0 stays.
    """

    head: str
    drop: int = 0
    text: bool = False
    key: bool = False


TEXT_WIDTH = 16
"""The least width in characters of a text that wraps."""

CUT_WIDTH = 14
"""The least width in characters of a value that is shortened."""

KEY = "key"
"""The style of a part of a text that is never shortened: `[key]appr_5f0c77ab[/]`."""

GAP = 2


def print_table(
    console: Console, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]
) -> None:
    """Print a table of cells in markup."""
    console.print(build_table(console.width, columns, rows), soft_wrap=False, crop=False)


def build_table(width: int, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table for a terminal of this width. A key is never broken or shortened."""
    texts = [[Text.from_markup(cell) for cell in row] for row in rows]
    sizes = [_measure(column, [row[n] for row in texts]) for n, column in enumerate(columns)]
    shown = list(range(len(columns)))
    while sum(sizes[n].cut + GAP for n in shown) > width:
        spare = max(shown, key=lambda n: columns[n].drop)
        if not columns[spare].drop:
            break  # the terminal breaks the line, not the key
        shown.remove(spare)
    widths = _distribute(width - GAP * len(shown), [sizes[n] for n in shown])
    made = Table(box=None, width=sum(widths) + GAP * len(shown))
    for n, wide in zip(shown, widths, strict=True):
        made.add_column(
            columns[n].head, no_wrap=not columns[n].text, width=wide, overflow="ellipsis"
        )
    for row in texts:
        made.add_row(*(row[n] for n in shown))
    return made


@dataclass(frozen=True, slots=True)
class _Size:
    """The width of a column: with shortened values, without broken words, and without wrapping."""

    cut: int
    least: int
    full: int


def _measure(column: TableColumn, texts: Sequence[Text]) -> _Size:
    full = [cell_len(text.plain) for text in texts]
    words = [
        max(map(cell_len, text.plain.split()), default=0) if column.text else cell_len(text.plain)
        for text in texts
    ]
    keys = [
        cell_len(text.plain[span.start : span.end])
        for text in texts
        for span in text.spans
        if span.style == KEY
    ]
    head = cell_len(column.head)
    wrapped = min(TEXT_WIDTH, max(full, default=0)) if column.text else 0
    least = max(head, wrapped, *words) if words else head
    shortest = TEXT_WIDTH if column.text else CUT_WIDTH
    cut = least if column.key else max([head, min(least, shortest), *keys])
    return _Size(cut, least, max([head, least, *full]))


def _distribute(width: int, sizes: Sequence[_Size]) -> list[int]:
    """Return the widths of columns: first no value is shortened, then as few texts wrap."""
    widths = [size.cut for size in sizes]
    for limits in ([size.least for size in sizes], [size.full for size in sizes]):
        growing = sorted(range(len(sizes)), key=lambda n: limits[n] - widths[n])
        for n in growing:  # the one that lacks least first, so that most are complete
            widths[n] += min(limits[n] - widths[n], max(0, width - sum(widths)))
    return widths


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
