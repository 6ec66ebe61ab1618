"""Shortages of this daemon or its host, such as no file descriptor: no receiver is at fault."""

import errno
import socket
from collections.abc import Iterator
from typing import Final

SHORTAGE: Final = "shortage"
"""The class of an attempt that such a shortage has prevented."""

_ERRORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def is_shortage(error: BaseException) -> bool:
    """Tell whether an error comes from a shortage of ours, however often it was wrapped."""
    return any(
        isinstance(each, MemoryError) or (isinstance(each, OSError) and each.errno in _ERRORS)
        for each in _causes(error)
    )


def is_short() -> bool:
    """Tell whether a socket cannot be opened now: libraries hide why they have failed."""
    try:
        socket.socket().close()
    except OSError as error:
        return is_shortage(error)
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
