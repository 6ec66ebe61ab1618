"""The data directory and the process of a private server.

PostgreSQL refuses to run as root, so root starts it as an account without privileges.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypedDict

from resumer_daemon.errors import ResumerError


class Switch(TypedDict, total=False):
    """The arguments of `subprocess` that change the user."""

    user: int
    group: int
    extra_groups: Sequence[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as. `other`: it is not the user of this process."""

    uid: int
    gid: int
    other: bool

    def switch(self) -> Switch:
        """Return the arguments with which `subprocess` becomes this user, none if it is already."""
        return Switch(user=self.uid, group=self.gid, extra_groups=[]) if self.other else Switch()


def account_for(data: Path | None) -> Account:
    """Choose the user for a server on `data`, a folder that may not exist yet.

    As root, data of an earlier run keeps its owner. Everything else belongs to `nobody`.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), other=False)
    if data is not None and data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid, other=True)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, other=True)


# The environment of this process must not reach PostgreSQL: PGPORT, PGDATA and others change it.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str], account: Account, descriptors: Sequence[int], log: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a server as `account`, with its messages in `log`. It ends with this process."""
    return subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        pass_fds=descriptors,
        # Ctrl-C in a terminal must not reach it: the daemon drains before its database stops.
        start_new_session=True,
        preexec_fn=_tie(),  # noqa: PLW1509 - a bare system call, safe beside other threads
        **account.switch(),
    )


def _tie() -> Callable[[], None] | None:
    """Return what the child calls before it becomes the server, so that it ends with its parent.

    Return None on systems other than Linux, where a server whose parent was killed ends at the next
    sweep.
    """
    if sys.platform != "linux":
        return None
    # Load it now: between fork and exec a lock of another thread may never be released.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # the parent died before the call, so no signal will come
            os._exit(1)

    return tie


_FLAGS = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")


class PostgresFailed(ResumerError):
    """PostgreSQL did not start. The message ends with its output."""


@contextmanager
def seen_by(account: Account, data: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the directory's name for a process of `account`, and the descriptors that it needs.

    A checkout below a 0700 home is closed to the user that root runs the server as. On Linux the
    process inherits the open directory, so that no permission has to change.
    """
    if not (account.other and sys.platform == "linux"):
        yield os.fspath(data.absolute()), ()
        return
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}", (folder,)
    finally:
        os.close(folder)


def make_cluster(data: Path, account: Account, binaries: Path, *, durable: bool) -> None:
    """Run initdb unless `data` exists. The directory gets its name when it is complete.

    Raises:
        PostgresFailed: initdb failed.
    """
    if (data / "PG_VERSION").exists():
        return
    unfinished = data.with_name(f"{data.name}.new")
    if unfinished.exists():  # left by an initdb that was killed
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700, parents=True)
    if account.other:
        os.chown(unfinished, account.uid, account.gid)
    with seen_by(account, unfinished) as (name, descriptors):
        made = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            [binaries / "initdb", "-D", name, *_FLAGS, *([] if durable else ["--no-sync"])],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            cwd="/",
            pass_fds=descriptors,
            **account.switch(),
        )
    if made.returncode != 0:
        raise PostgresFailed(f"initdb failed:\n{made.stderr.strip()}")
    unfinished.rename(data)
