"""References to secrets in rendered values. They are resolved only when a request is sent.

A rendered reference is the secret's name between two Unicode noncharacters. The renderer replaces
these characters in all other texts, so that no data can imitate a reference, however often it is
stored and read again.
"""

import re
from collections.abc import Callable
from typing import Final

from resumer_daemon.workflow.errors import TemplateFault
from resumer_daemon.workflow.values import Json

PREFIX: Final = "secrets."
"""The beginning of a path that names a secret, whatever the context holds under that name."""

DEPTH: Final = 320
"""The deepest nesting of a rendered value: more than definition and data may have together."""

_OPEN: Final = "\ufdd0"
_CLOSE: Final = "\ufdd1"
_NAME: Final = "([A-Za-z0-9_][A-Za-z0-9_-]{0,127})"
_MARKS: Final = re.compile(f"[{_OPEN}{_CLOSE}]")
MARK: Final = _OPEN + _NAME + _CLOSE
"""The pattern of what stands for a secret; its group is the name."""

_MARKED: Final = re.compile(MARK)
_PATH: Final = re.compile(re.escape(PREFIX) + _NAME)


def marked(path: str) -> str | None:
    """Return the mark of a path such as `secrets.TOKEN`, None for any other path."""
    match = _PATH.fullmatch(path)
    return f"{_OPEN}{match[1]}{_CLOSE}" if match else None


def has_mark(text: str) -> bool:
    """Tell whether a text has characters that `unmarked` would replace."""
    return _OPEN in text or _CLOSE in text


def unmarked(text: str) -> str:
    """Return a foreign text without characters that could form a mark."""
    return _MARKS.sub("\ufffd", text) if has_mark(text) else text


def unmarked_within(value: Json) -> Json:
    """Return a foreign value with all of its texts unmarked."""
    return _mapped(value, unmarked)


def secrets_in(value: Json) -> set[str]:
    """Return the names of the secrets that a rendered value refers to."""
    names: set[str] = set()

    def collect(text: str) -> str:
        names.update(_MARKED.findall(text))
        return text

    _mapped(value, collect)
    return names


def resolve_secrets(value: Json, lookup: Callable[[str], str]) -> Json:
    """Return a rendered value with its secrets, to be sent and never stored.

    `lookup` raises an error for an unknown name.
    """
    return _mapped(value, lambda text: _MARKED.sub(lambda match: lookup(match[1]), text))


def mask_secrets(value: Json) -> Json:
    """Return a rendered value for people, with each secret as the reference that was written."""
    return _mapped(value, lambda text: _MARKED.sub(rf"{{{{{PREFIX}\1}}}}", text))


def _mapped(value: Json, change: Callable[[str], str], depth: int = 0) -> Json:
    if isinstance(value, str):
        return change(value)
    if not isinstance(value, list | dict):
        return value
    if depth > DEPTH:
        raise TemplateFault("nested too deeply")
    if isinstance(value, list):
        return [_mapped(member, change, depth + 1) for member in value]
    return {key: _mapped(member, change, depth + 1) for key, member in value.items()}
