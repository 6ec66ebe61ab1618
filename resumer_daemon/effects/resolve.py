"""Looking up host names without ever keeping anybody else waiting."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Thread
from typing import Final, TypeAlias

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Returns all addresses of a host as texts, best first; raises OSError."""

AT_ONCE: Final = 32


class SystemResolver:
    """Asks the system, in threads of its own.

    The event loop's own threads are few and the database's driver looks names up in them: a name
    server that hangs must not keep the daemon from its database. A thread that hangs on is let go
    of, and counts until it ends.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return all addresses of a host.

        Raises:
            OSError: It has none, or nobody could say.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def settle(found: list[str] | OSError) -> None:
            self._free.release()
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def work() -> None:
            found = _look_up(host, port)
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle, found)

        await self._free.acquire()
        try:
            Thread(target=work, name="resolve", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._free.release()
            raise OSError(errno.ENOMEM, str(error)) from error
        return await answer


def _look_up(host: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
