"""The data directory and the process of a private server.

PostgreSQL refuses to run as root, so root starts it under an account without rights.
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
    """The user that a server runs as; `other` when it is not the user of this process."""

    uid: int
    gid: int
    other: bool

    def switch(self) -> Switch:
        """Return what `subprocess` needs to become this user: nothing when we are it."""
        return Switch(user=self.uid, group=self.gid, extra_groups=[]) if self.other else Switch()


def account_for(data: Path | None) -> Account:
    """Choose the user for a server on `data`, a folder that may not exist yet.

    As root, data of an earlier run keeps its owner; all else belongs to `nobody`.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), other=False)
    if data is not None and data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid, other=True)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, other=True)


# Nothing of ours may reach PostgreSQL's programs: PGPORT, PGDATA and friends change what they do.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str], account: Account, descriptors: Sequence[int], log: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a server as `account`, with its messages in `log`; it ends when we end."""
    return subprocess.Popen(  # noqa: S603 - our own arguments, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        pass_fds=descriptors,
        # Ctrl-C in a terminal is for us: the daemon drains before its database may stop.
        start_new_session=True,
        preexec_fn=_tie(),  # noqa: PLW1509 - a bare system call, safe beside other threads
        **account.switch(),
    )


def _tie() -> Callable[[], None] | None:
    """Return what the child must call before it becomes the server; None where no system call can.

    Elsewhere than on Linux, a server whose parent was killed ends at the next sweep.
    """
    if sys.platform != "linux":
        return None
    # Looked up now: between fork and exec another thread's lock may be held for ever.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died before the call: no signal will come
            os._exit(1)

    return tie


_FLAGS = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")


class PostgresFailed(ResumerError):
    """PostgreSQL did not start; the message ends with what it wrote."""


@contextmanager
def seen_by(account: Account, data: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the folder's name for a process of `account`, and the descriptors it must be given.

    A checkout below a 0700 home is closed to the user that root runs the server as. Linux can hand
    the open folder over, so that no permission has to change.
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
    """Run initdb unless `data` was made before. It gets its name when it is complete.

    Raises:
        PostgresFailed: initdb failed.
    """
    if (data / "PG_VERSION").exists():
        return
    unfinished = data.with_name(f"{data.name}.new")
    if unfinished.exists():  # a killed initdb's
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700, parents=True)
    if account.other:
        os.chown(unfinished, account.uid, account.gid)
    with seen_by(account, unfinished) as (name, descriptors):
        made = subprocess.run(  # noqa: S603 - our own arguments, no shell
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
