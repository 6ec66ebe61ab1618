"""Output for people: tables, ages and colours, without control characters from strangers."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich import markup
from rich.console import Console
from rich.segment import Segment
from rich.table import Table

from resumer_daemon.telemetry.text import printable


def escape(text: str) -> str:
    """Return a text as rich shows it letter by letter, with control characters spelled out."""
    return markup.escape(printable(text))


class PlainConsole(Console):
    """A console that spells out control characters, whatever a command has overlooked.

    Line ends stay, because rich itself writes them.
    """

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(map(_plain, buffer))


def _plain(segment: Segment) -> Segment:
    text, style, control = segment
    if control or text.replace("\n", "").isprintable():
        return segment
    return Segment("\n".join(map(printable, text.split("\n"))), style)


KEY = len("exec_0123456789abcdef")

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
    """Return how long ago a moment is, or how far it is away, in one unit.

    What Python cannot hold is returned as it is written.
    """
    if moment is None:
        return ""
    try:
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return escape(str(moment))
    seconds = (datetime.now(UTC) - at).total_seconds()
    away = f"{format_lasting(abs(seconds))}"
    return f"in {away}" if seconds < 0 else f"{away} ago"


def format_lasting(seconds: float) -> str:
    """Return a time in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s"


def cells(*values: object) -> list[str]:
    """Return the cells of a row; what strangers wrote is never read as markup."""
    return ["" if value is None else escape(str(value)) for value in values]


def table(*heads: str) -> Table:
    """Return an empty table: what is too long goes on in the next line, and no key is ever cut."""
    made = Table(box=None)
    for head in heads:
        key = head.strip() == "execution"
        made.add_column(head, overflow="fold", no_wrap=key, min_width=KEY if key else None)
    return made


def steps_table(steps: Iterable[Mapping[str, Any]]) -> Table:
    """Return step records as a table."""
    table = Table("  step", "type", "status", "reason", box=None)
    for step in steps:
        why = step["error"] or step["reason"] or ""
        table.add_row(
            f"  {escape(step['step'])}",
            escape(step["type"] or ""),
            colored_status(step["status"]),
            escape(why),
        )
    return table
