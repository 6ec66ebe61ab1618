"""Documents that are read again and again while their execution runs: parsed once."""

from typing import Final

from resumer_daemon.workflow.values import Json, load

LARGE: Final = 16_384
"""From so many characters on it costs more to parse a text than to recognise it."""

KEPT: Final = 16_000_000
"""So many characters of texts are known at most; what was asked for longest ago goes first."""


class Documents:
    """Parses texts, and recognises large ones. Nobody changes what it returns."""

    def __init__(self) -> None:
        self._known: dict[str, Json] = {}
        self._characters = 0

    def __call__(self, text: str) -> Json:
        """Return what a text says.

        Raises:
            ValueError: It cannot be parsed.
        """
        if not LARGE <= len(text) <= KEPT:
            return load(text)
        known = text in self._known
        document = self._known.pop(text) if known else load(text)
        self._known[text] = document
        if not known:
            self._characters += len(text)
            self._make_room()
        return document

    def _make_room(self) -> None:
        while self._characters > KEPT:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._characters -= len(oldest)
