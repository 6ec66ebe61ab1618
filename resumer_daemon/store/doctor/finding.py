"""The result of one check, and the context that all checks share."""

from dataclasses import dataclass
from typing import Literal

from resumer_daemon.config import Settings
from resumer_daemon.store.connection import Connection

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: what was found and, unless it is ok, why it matters and a remedy.

    `error`: something does not work, or is lost. `warning`: it works, but slower or less safely.
    """

    check: str
    verdict: Severity
    what: str
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The connection and settings that a check uses."""

    connection: Connection
    settings: Settings

    @property
    def schema(self) -> str:
        """The schema of the service's tables."""
        return self.settings.service_schema


def ok(check: str, what: str) -> CheckResult:
    """Return a result without a problem."""
    return CheckResult(check, "ok", what)


def warning(check: str, what: str, why: str, remedy: str) -> CheckResult:
    """Return a result for something that works, but slower or less safely."""
    return CheckResult(check, "warning", what, why, remedy)


def error(check: str, what: str, why: str, remedy: str) -> CheckResult:
    """Return a result for something that does not work, or is lost."""
    return CheckResult(check, "error", what, why, remedy)
