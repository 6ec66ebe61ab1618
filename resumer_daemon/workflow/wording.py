"""How a value is named in the message of a fault."""

from typing import Final

from resumer_daemon.workflow.jsontext import Json, dump

_LONGEST: Final = 60


def kind(value: Json) -> str:
    """Return what a value is, in words for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case "":
            return "an empty text"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"


def shown(value: Json) -> str:
    """Return a value for a message: as JSON, cut when it is long; a list or an object by kind."""
    if isinstance(value, list | dict):
        return kind(value)
    text = dump(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
