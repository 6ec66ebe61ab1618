"""Text for terminals and logs: control characters spelled out, and the hint on missing rights.

Apart from `logs`, because commands that only ask the database need no structlog, which takes 0.1 s
to import.
"""

DENIED = "42501"
GRANTED = (
    "`resumer-daemon doctor` names what a daemon lacks;"
    " who owns the service's tables grants it: `resumer-daemon migrate grants`, then"
    " GRANT resumer_reader (to look), resumer_operator (to move) or resumer_daemon (all else)"
)


def printable(text: str) -> str:
    """Return a text with everything spelled out that is not seen, or that steers a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
