"""Recognise shortages of this daemon or its machine, such as no free file descriptor.

They say nothing about a receiver, so they count neither as an attempt nor against a host.
"""

import errno
import socket
from collections.abc import Iterator
from typing import Final

SHORTAGE: Final = "shortage"
"""The retry class of an attempt that a shortage prevented."""

_ERRORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def is_shortage(error: BaseException) -> bool:
    """Tell whether a shortage caused an error, directly or through other errors."""
    return any(
        isinstance(each, MemoryError) or (isinstance(each, OSError) and each.errno in _ERRORS)
        for each in _causes(error)
    )


def is_short() -> bool:
    """Tell whether no socket can be opened now. Libraries hide why they failed."""
    try:
        socket.socket().close()
    except OSError as error:
        return is_shortage(error)
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    unvisited: list[BaseException | None] = [error]
    while unvisited:
        each = unvisited.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        unvisited += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            unvisited += each.exceptions
