"""What a check came to, and what all checks look at."""

from dataclasses import dataclass
from typing import Literal

from resumer_daemon.config import Settings
from resumer_daemon.store.connection import Connection

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: what was seen; where that is not well, why it matters and what mends it.

    `error`: something does not work, or is lost. `warning`: it works, slower or less safely.
    """

    check: str
    verdict: Severity
    what: str
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """A database, as the daemon's settings and role see it."""

    connection: Connection
    settings: Settings

    @property
    def schema(self) -> str:
        """The schema of the service's tables."""
        return self.settings.service_schema


def ok(check: str, what: str) -> CheckResult:
    """Return that there is nothing to mend."""
    return CheckResult(check, "ok", what)


def warning(check: str, what: str, why: str, remedy: str) -> CheckResult:
    """Return that it works, slower or less safely."""
    return CheckResult(check, "warning", what, why, remedy)


def broken(check: str, what: str, why: str, remedy: str) -> CheckResult:
    """Return that something does not work, or is lost."""
    return CheckResult(check, "error", what, why, remedy)
