"""What a check came to, and what all checks look at."""

from dataclasses import dataclass
from typing import Literal

from resumer_daemon.config import Settings
from resumer_daemon.store.connection import Connection

Verdict = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was seen; where that is not well, why it matters and what mends it.

    `error`: something does not work, or is lost. `warning`: it works, slower or less safely.
    """

    check: str
    verdict: Verdict
    what: str
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """A database, as the daemon's settings and role see it."""

    connection: Connection
    settings: Settings

    @property
    def schema(self) -> str:
        """The schema of the service's tables."""
        return self.settings.service_schema


def well(check: str, what: str) -> Finding:
    """Return that there is nothing to mend."""
    return Finding(check, "ok", what)


def warning(check: str, what: str, why: str, remedy: str) -> Finding:
    """Return that it works, slower or less safely."""
    return Finding(check, "warning", what, why, remedy)


def broken(check: str, what: str, why: str, remedy: str) -> Finding:
    """Return that something does not work, or is lost."""
    return Finding(check, "error", what, why, remedy)
