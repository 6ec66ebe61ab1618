"""Text for terminals and logs: escaped control characters, and the daemon's hint on missing rights.

It is separate from `logs`, because commands that only query the database do not need structlog,
which takes 0.1 s to import.
"""

DENIED = "42501"
GRANTED = (
    "run `resumer-daemon migrate grants`, then GRANT resumer_daemon to this role;"
    " `resumer-daemon doctor` names the missing rights"
)


def printable(text: str) -> str:
    """Return a text with control and invisible characters escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
