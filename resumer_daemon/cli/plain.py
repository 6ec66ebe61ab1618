"""Text that strangers wrote, for a terminal: no markup, no control characters."""

from collections.abc import Iterable

from rich import markup
from rich.console import Console
from rich.segment import Segment

from resumer_daemon.telemetry.logs import printable


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
