"""Who asks over HTTP: a name for the record, what it may do, and in which organisation."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Permission(StrEnum):
    """What a caller may do; the service knows each as `execution:<verb>`."""

    READ = "read"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"

    @property
    def scope(self) -> str:
        """The name that tokens, keys and claims hold."""
        return f"execution:{self}"


LEGACY = frozenset({Permission.PAUSE, Permission.RESUME})
"""What an older `execution:cancel` allows too, where the settings say so."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One who was recognised.

    `identity` tells callers apart, `actor` goes into the record. Without `everywhere` it reaches
    what is of its organisation and nothing else; without an organisation then, where there are
    some, nothing.
    """

    identity: str
    actor: str
    scopes: frozenset[str]
    organization: UUID | None = None
    everywhere: bool = False

    def may(self, permission: Permission, *, legacy: bool) -> bool:
        """Tell whether it may; `legacy`: its right to cancel counts for the younger rights."""
        if legacy and permission in LEGACY and Permission.CANCEL.scope in self.scopes:
            return True
        return permission.scope in self.scopes
