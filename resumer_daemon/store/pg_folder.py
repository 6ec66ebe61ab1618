"""The folders of one embedded server: its socket and its log, and its throw-away data.

A folder is alive while the process that made it holds the lock on it. The kernel drops that lock
however the process ends, so a folder that can be locked is stale: no process id to trust.
"""

import fcntl
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from resumer_daemon.store.pg_account import Account

_PREFIX = "resumer-pg-"
_SOCKET_BYTES = 103  # of a socket's path on macOS; Linux allows four more
_SHORT = Path("/tmp")  # noqa: S108 - only parent of a folder that mkdtemp makes
_MEMORY = Path("/dev/shm")  # noqa: S108 - the same
_ROOM = 4 << 30
_ORPHAN_SECONDS = 10.0


class WorkFolder:
    """A private, short-named folder that only its maker and the server's user can enter."""

    def __init__(self, account: Account, parent: Path) -> None:
        """Make the folder below `parent`, and sweep what killed processes left there."""
        sweep(parent)
        made = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}", dir=parent))
        self._lock = os.open(made, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Only a locked one gets the name that others sweep.
        self.path = made.rename(parent / made.name.removeprefix("new-"))
        if account.other:
            os.chown(self.path, account.uid, account.gid)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.path)
        os.close(self._lock)


def sweep(parent: Path) -> None:
    """Delete the work folders whose makers are dead, and end the servers that still run in them."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            continue  # another user's, or another sweep was quicker
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # alive
        else:
            _end_servers(folder)
            shutil.rmtree(folder, ignore_errors=True)  # what cannot go now goes at the next sweep
        finally:
            os.close(lock)


def short_parent(account: Account) -> Path:
    """Return the folder for temporary files, or /tmp where that is too long or too private."""
    usual = Path(tempfile.gettempdir())
    longest = usual / f"new-{_PREFIX}12345678" / ".s.PGSQL.65535.lock"
    return _SHORT if account.other or len(os.fsencode(longest)) > _SOCKET_BYTES else usual


def fast_parent(account: Account) -> Path:
    """Return a folder in memory if there is room: a cloned database is a thousand small files."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM:
        return _MEMORY
    return short_parent(account)


def _end_servers(folder: Path) -> None:
    for lock_file in folder.glob(".s.PGSQL.*.lock"):
        listening = _listener(folder / lock_file.stem)
        # While it listens, the id in its lock file cannot be anybody else's.
        if listening():
            os.kill(int(lock_file.read_text().split()[0]), signal.SIGQUIT)
            _wait_for_end(listening)


def _listener(path: Path) -> Callable[[], bool]:
    def listening() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(os.fspath(path)) == 0

    return listening


def _wait_for_end(alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while alive() and time.monotonic() < deadline:
        time.sleep(0.02)
