"""Who runs an embedded server: PostgreSQL refuses uid 0, so root hands it to one without rights."""

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


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
