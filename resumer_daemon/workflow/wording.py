"""How a value is named in the message of a fault."""

from resumer_daemon.workflow.values import Json, dump


def kind(value: Json) -> str:
    """Return what a value is, in words for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"


def shown(value: Json) -> str:
    """Return a value for a message: its kind, and itself when it is short."""
    if value is None or isinstance(value, list | dict):
        return kind(value)
    text = dump(value)
    return f"{kind(value)} ({text if len(text) <= 60 else text[:57] + '...'})"
