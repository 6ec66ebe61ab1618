"""What people look at: lists, one execution, the ledger, incidents, numbers, and why."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from resumer_daemon.store.desk import asked
from resumer_daemon.store.session import Session
from resumer_daemon.workflow.values import Json, load

DOCUMENTS = (
    "steps", "pauses", "approvals", "requests", "effects", "messages", "resume_data",
)  # fmt: skip

Sort = Literal["started", "paused", "workflow", "status"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which executions to list; None lets everything pass. `seconds`: paused for at least so long.

    `sort`: newest first, else the longest paused first, or by name.
    """

    status: str | None = None
    workflow: str | None = None
    reason: str | None = None
    role: str | None = None
    seconds: float | None = None
    sort: Sort = "started"
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Entries:
    """Which requests of the ledger to list; None lets everything pass. `seconds`: not older."""

    key: str | None = None
    kind: str | None = None
    outcome: str | None = None
    seconds: float | None = None
    limit: int = 50


async def list_executions(session: Session, wanted: Filter) -> list[dict[str, Any]]:
    """Return executions."""
    facts = {**asdict(wanted), "timezone": session.timezone}
    return await asked(session, "list_executions", facts)


async def choose_executions(
    session: Session,
    statuses: str,
    workflow: str | None,
    reason: str | None,
    seconds: float | None,
) -> list[dict[str, Any]]:
    """Return the executions that a bulk move is about; `statuses` is an array."""
    facts = {"statuses": statuses, "workflow": workflow, "reason": reason, "seconds": seconds}
    return await asked(session, "choose_executions", facts)


async def show_execution(session: Session, key: str) -> dict[str, Any]:
    """Return one execution with its steps, pauses, approvals, requests and effects.

    Raises:
        Refused: There is no such execution.
    """
    facts = {"key": key, "timezone": session.timezone}
    [row] = await asked(session, "show_execution", facts)
    return {name: _read(value) if name in DOCUMENTS else value for name, value in row.items()}


async def explain(session: Session, key: str) -> dict[str, Any]:
    """Return why an execution stands where it stands. Raises Refused: there is none."""
    [row] = await asked(session, "explain_execution", {"key": key})
    explained: dict[str, Any] = load(row["explained"])
    return explained


async def list_ledger(session: Session, wanted: Entries) -> list[dict[str, Any]]:
    """Return settled requests, newest first. Raises Refused: there is no such execution."""
    return await asked(session, "list_ledger", asdict(wanted))


async def list_incidents(session: Session, limit: int) -> list[dict[str, Any]]:
    """Return open incidents, the oldest first."""
    return await asked(session, "list_incidents", {"limit": limit})


async def read_stats(session: Session) -> dict[str, Any]:
    """Return how it goes, in numbers."""
    [row] = await asked(session, "read_stats", {})
    stats: dict[str, Any] = load(row["stats"])
    return stats


def _read(text: str | None) -> Json:
    return None if text is None else load(text)
