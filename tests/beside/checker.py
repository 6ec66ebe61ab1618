"""Check a case after the service's last write and one poll of the daemon."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from tests.beside.case import Case
from tests.harness import Database

Row = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """All rows of one execution."""

    row: Row | None = None
    pauses: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    approvals: list[Row] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def look(database: Database) -> dict[UUID, Seen]:
    """Read everything."""
    found: dict[UUID, Seen] = defaultdict(Seen)
    with database.connect(row_factory=dict_row) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for row in connection.execute(
            "SELECT id, status, result, resume_count FROM workflow_executions"
        ):
            found[row["id"]].row = row
        for row in connection.execute("SELECT * FROM resumer.pauses ORDER BY number"):
            found[row["execution_id"]].pauses.append(row)
        for row in connection.execute(
            "SELECT *, due_at <= clock_timestamp() AS due FROM resumer.requests ORDER BY id"
        ):
            found[row["execution_id"]].requests.append(row)
        for row in connection.execute("SELECT id, execution_id, status FROM approval_requests"):
            found[row["execution_id"]].approvals.append(row)
        for row in connection.execute("SELECT execution_id, step_id FROM step_executions"):
            found[row["execution_id"]].steps.append(row["step_id"])
    return found


def violations(cases: Iterable[Case], database: Database) -> list[str]:
    """Return what does not hold, a line each."""
    found = look(database)
    return [
        f"{case.execution}: {wrong}"
        for case in cases
        for wrong in _wrong(case, found[case.execution])
    ]


def _wrong(case: Case, seen: Seen) -> Iterator[str]:
    yield from _ledger(case, seen)
    resumed = [p for p in seen.pauses if p["resumed_at"] is not None]
    if len(seen.pauses) > 1:
        yield f"paused {len(seen.pauses)} times"
    if seen.row is None:
        if not case.deleted:
            yield "is gone, and nobody has deleted it"
        if len(resumed) != len(seen.pauses):
            yield "is gone, and its pause is open"
        return
    if len(seen.pauses) - len(resumed) != (seen.row["status"] == "paused"):
        yield f"{seen.row['status']} with {len(seen.pauses) - len(resumed)} open pauses"
    if case.cancelled:
        if seen.row["status"] != "cancelled":
            yield f"was cancelled, and is {seen.row['status']}"
        return
    yield from _standing(case, seen)


def _ledger(case: Case, seen: Seen) -> Iterator[str]:
    """Each decision has its request, and each request its outcome."""
    open_ones = [r["kind"] for r in seen.requests if r["outcome"] is None and r["due"]]
    if open_ones:
        yield f"open: {open_ones}"
    if seen.row is None or seen.row["status"] != "paused":
        held = [r["kind"] for r in seen.requests if r["outcome"] == "held"]
        if held:
            yield f"has ended and holds {held}"
    decisions = Counter(
        (r["source_id"], r["decision"]) for r in seen.requests if r["kind"] == "approval"
    )
    for (approval, verdict), count in Counter(case.decisions).items():
        if approval not in case.silent and decisions[approval, verdict] < count:
            yield f"{count} decisions {verdict} of {approval}, {decisions[approval, verdict]} known"
    applied = Counter(
        r["source_id"]
        for r in seen.requests
        if (r["kind"], r["outcome"]) == ("approval", "applied")
    )
    if any(count > 1 for count in applied.values()):
        yield "a decision was applied twice"


def _standing(case: Case, seen: Seen) -> Iterator[str]:
    """It stands where its approvals say."""
    assert seen.row is not None
    status, result = seen.row["status"], seen.row["result"]
    now = [a["status"] for a in seen.approvals]
    if not now:  # nobody was asked, or what was asked was deleted before anybody looked
        return
    if not seen.pauses:
        yield f"never paused: {status}/{result}, approvals {now}"
    elif status == "paused":
        if "pending" not in now or {"rejected", "expired"} & set(now):
            yield f"stuck: {seen.pauses[0]['reason']}, approvals {now}"
    else:
        yield from _end(status, result, seen)


def _end(status: str, result: str, seen: Seen) -> Iterator[str]:
    applied = {
        r["decision"] for r in seen.requests if (r["kind"], r["outcome"]) == ("approval", "applied")
    }
    expected = "allowed" if applied == {"approved"} else "blocked"
    if (status, result) != ("completed", expected):
        yield f"{status}/{result} after {applied}"
    ends = [step for step in seen.steps if step in ("release", "refuse")]
    if ends != ["release" if expected == "allowed" else "refuse"]:
        yield f"steps {seen.steps} after {applied}"
    if seen.row is not None and seen.row["resume_count"] != 1:
        yield f"resumed {seen.row['resume_count']} times"


def summary(cases: Sequence[Case], database: Database) -> dict[str, int]:
    """Count what happened, to be printed."""
    found = look(database)
    requests = [r for seen in found.values() for r in seen.requests]
    outcomes = Counter(f"{r['kind']} {r['outcome']}" for r in requests)
    refused = sum(r["decision"] == "guard_rejected" for r in requests)
    return {
        "interleavings": len(cases),
        "paused": sum(bool(found[c.execution].pauses) for c in cases),
        "resumed": sum(any(p["resumed_at"] for p in found[c.execution].pauses) for c in cases),
        "decisions": sum(len(c.decisions) for c in cases),
        "blind writes refused": refused,
        "cancelled": sum(c.cancelled for c in cases),
        "deleted": sum(c.deleted for c in cases),
        "old copies written": sum(c.rewritten for c in cases),
        "unseen by a trigger": sum(len(c.silent) for c in cases),
        **dict(sorted(outcomes.items())),
    }
