"""The data of an embedded server: made whole or not at all, and found by who runs the server."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resumer_daemon.errors import ResumerError
from resumer_daemon.store.pg_account import Account
from resumer_daemon.store.pg_process import ENVIRONMENT

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
