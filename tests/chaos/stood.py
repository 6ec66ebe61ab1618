"""Read the state of the executions of flows, and all facts about them, from the tables."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from tests.chaos.people import Gated
from tests.chaos.replay import NEVER, Fact, Stood, Verdict
from tests.harness.database import Database

EXECUTIONS = """
SELECT e.id, e.execution_id AS key, w.workflow_id AS flow, e.trigger_payload - 'doc' AS payload,
  e.status, e.result, e.error_message AS error,
  (SELECT p.incident ->> 'cause' FROM resumer.pauses p
   WHERE p.execution_id = e.id AND p.resumed_at IS NULL) AS cause
FROM workflow_executions e JOIN workflows w ON w.id = e.workflow_id
WHERE w.workflow_id = ANY (%(flows)s)
"""
REQUESTS = """
SELECT execution_id, kind::text, source_id, decision, outcome::text, payload,
  xmin::text AS transaction, extract(epoch FROM finished_at)::float8 AS at
FROM (
  SELECT id, execution_id, kind, source_id, decision, outcome, payload, xmin, NULL AS finished_at
  FROM resumer.resume_requests
  UNION ALL
  SELECT id, execution_id, kind, source_id, decision, outcome, payload, xmin, finished_at
  FROM resumer.settled_requests
) AS r
WHERE execution_id IS NOT NULL AND kind IN ('approval', 'event', 'timeout', 'manual') ORDER BY id
"""
APPROVALS = """
SELECT id, execution_id, approver_role AS role, status, approver_id AS approver
FROM approval_requests
WHERE status IN ('approved', 'rejected') AND approver_role LIKE 'gate %' ORDER BY id
"""
EFFECTS = """
SELECT execution_id, path, status, xmin::text AS transaction,
  extract(epoch FROM finished_at)::float8 AS at
FROM resumer.effects WHERE status = 'done'
"""
STEPS = "SELECT execution_id, step_id FROM step_executions WHERE status = 'completed'"
EVENTS = """
SELECT id, event_type AS event, payload FROM events
WHERE payload ->> 'key' NOT LIKE 'nobody %' ORDER BY id
"""

Row = dict[str, Any]


def stood(database: Database, gated: Gated) -> list[Stood]:
    """Read it, when it is quiet."""
    with database.connect(row_factory=dict_row) as connection:

        def rows(statement: Any, **given: object) -> list[Row]:
            return connection.execute(statement, given or None).fetchall()

        executions = rows(EXECUTIONS, flows=list(gated.flows))
        requests = _by_execution(rows(REQUESTS))
        approvals = _by_execution(rows(APPROVALS))
        effects = _by_execution(rows(EFFECTS))
        steps = _by_execution(rows(STEPS))
        events: dict[str, list[Row]] = defaultdict(list)
        for row in rows(EVENTS):
            events[row["payload"]["key"]].append(row)
    return [
        Stood(
            key=row["key"], flow=row["flow"], payload=row["payload"], status=row["status"],
            result=row["result"], error=row["error"], cause=row["cause"],
            steps=Counter(step["step_id"] for step in steps[row["id"]]),
            sent=frozenset(effect["path"] for effect in effects[row["id"]]),
            facts=_in_order(
                *_decided(approvals[row["id"]], requests[row["id"]]),
                *_emitted(events[row["key"]], requests[row["id"]]),
                *_asked(requests[row["id"]]),
                *(Fact(e["at"], e["transaction"], "sent", e["path"]) for e in effects[row["id"]]),
            ),
            verdicts=frozenset(approval["status"] for approval in approvals[row["id"]]),
            cancelled=_is_cancelled(row, gated),
            strange=_strange(row["key"], requests[row["id"]]),
            parked=sum(
                each["kind"] == "approval" and each["outcome"] in (None, "held")
                for each in requests[row["id"]]
            ),
        )
        for row in executions
    ]  # fmt: skip


def _by_execution(rows: Iterable[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["execution_id"]].append(row)
    return found


def _is_cancelled(execution: Row, gated: Gated) -> bool:
    """Tell whether it has to be cancelled: what was tried, and not acknowledged, may be."""
    tried = execution["id"] in gated.tried and execution["status"] == "cancelled"
    return tried or execution["id"] in gated.cancelled


def _in_order(*facts: Fact) -> list[Fact]:
    """Give all facts of one transaction the time of its first."""
    began: dict[str, float] = {}
    for fact in facts:
        began[fact.transaction] = min(fact.at, began.get(fact.transaction, NEVER))
    return sorted(
        (fact._replace(at=began[fact.transaction]) for fact in facts),
        key=lambda fact: (fact.at, fact.transaction),
    )


def _settled(rows: Iterable[Row], source: UUID) -> tuple[float, str]:
    """Return when, and in which transaction, what a source asked was settled: applied, or first."""
    found = [row for row in rows if row["source_id"] == source and row["at"] is not None]
    found.sort(key=lambda row: (row["outcome"] != "applied", row["at"]))
    return (found[0]["at"], found[0]["transaction"]) if found else (NEVER, str(source))


def _decided(approvals: Iterable[Row], requests: list[Row]) -> Iterable[Fact]:
    rows = [row for row in requests if row["kind"] == "approval"]
    for each in approvals:
        verdict = Verdict(each["role"], each["status"], each["approver"])
        yield Fact(*_settled(rows, each["id"]), "decided", verdict)


def _emitted(events: Iterable[Row], requests: list[Row]) -> Iterable[Fact]:
    rows = [row for row in requests if row["kind"] == "event"]
    for each in events:
        yield Fact(*_settled(rows, each["id"]), "event", (each["event"], each["payload"]))


def _asked(requests: Iterable[Row]) -> Iterable[Fact]:
    for row in requests:
        if row["outcome"] != "applied" or row["at"] is None:
            continue
        if row["kind"] == "manual":
            yield Fact(row["at"], row["transaction"], "forced", row["payload"])
        elif row["kind"] == "timeout" and row["source_id"] is None:
            yield Fact(row["at"], row["transaction"], "time", row["decision"] or "")


def _strange(key: str, requests: Iterable[Row]) -> int:
    """Count the events that an execution was handed, and that name another one."""
    return sum(
        row["kind"] == "event" and (row["payload"] or {}).get("key", key) != key for row in requests
    )
