"""The process of an embedded server: apart from our terminal, yet tied to our life."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO

from resumer_daemon.store.pg_account import Account

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
