"""What a reference is: `{{path}}` or `${path}`, in templates and as the value of a condition."""

import re
from collections.abc import Mapping

from resumer_daemon.workflow.jsontext import Json
from resumer_daemon.workflow.values import MISSING, find

# Braces cannot be inside, so a text is read in one go, however many of them it holds.
REFERENCE = re.compile(r"\{\{([^{}]*)\}\}|\$\{([^{}]*)\}")


def path_of(match: re.Match[str]) -> str:
    """Return the path of a match, blank when the braces were empty."""
    return (match[1] if match[2] is None else match[2]).strip()


def reference(text: Json) -> str | None:
    """Return the path if the text is exactly one reference."""
    match = REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return (path_of(match) or None) if match else None


def bare(path: str) -> str:
    """Return a path without the blanks in it."""
    return "".join(path.split())


def follow(path: str, context: Mapping[str, Json]) -> Json:
    """Return what a reference leads to, as it stands or else without its blanks, or `MISSING`."""
    value = find(path, context)
    return find(bare(path), context) if value is MISSING else value
