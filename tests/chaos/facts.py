"""Read the facts of a run from the tables and from the receiver's log."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests.chaos.checker import Execution, Facts, Intent, Receipt, Settled
from tests.chaos.messages import Message, Told
from tests.chaos.observer import writes
from tests.chaos.programs import Work
from tests.chaos.shapes import EVERY
from tests.harness.database import Database


def facts_of(database: Database, log: Path, work: Work, interrupted: int) -> Facts:
    """Read it; of the log, which other runs may share, what is of this database."""
    every = _executions(database)
    executions = [each for each in every if each.shape in EVERY]
    ours = {each.key for each in every}
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    told = [Told(line["key"], line["body"]["message"]) for line in lines if _tells(line, ours)]
    receipts = [
        Receipt(
            line["at"], line["key"], line["attempt"], line["sha256"],
            line["body"]["execution"], line["body"]["place"],
        )
        for line in lines
        if line["body"].get("execution") in ours
    ]  # fmt: skip
    return Facts(
        receipts, executions, _journal(database), writes(database), _ledger(database),
        work.decided, interrupted, _incidents(database), told, _messages(database),
        _cancelled(database),
    )  # fmt: skip


def _tells(line: dict[str, Any], executions: Collection[str]) -> bool:
    return line["body"].get("message") in executions


def _executions(database: Database) -> list[Execution]:
    rows = database.run(
        "SELECT e.execution_id, w.workflow_id, e.status, e.result,"
        " e.completed_at AT TIME ZONE 'UTC',"
        " ARRAY(SELECT ARRAY[s.step_id, s.status] FROM step_executions s"
        "  WHERE s.execution_id = e.id),"
        " (SELECT count(*) FROM resumer.pauses p"
        "  WHERE p.execution_id = e.id AND p.reason <> 'incident')"
        " FROM workflow_executions e JOIN workflows w ON w.id = e.workflow_id"
    )
    return [
        Execution(key, shape, status, result, ended, [(s, how) for s, how in steps], pauses)
        for key, shape, status, result, ended, steps, pauses in rows
    ]


def _cancelled(database: Database) -> frozenset[str]:
    rows = database.run("SELECT id::text FROM workflow_executions WHERE status = 'cancelled'")
    return frozenset(execution for (execution,) in rows)


def _incidents(database: Database) -> int:
    [(count,)] = database.run(
        "SELECT count(*) FROM resumer.pauses WHERE incident ->> 'cause' = 'no_progress'"
    )
    return int(count)


def _journal(database: Database) -> list[Intent]:
    return [
        Intent(*row)
        for row in database.run(
            "SELECT f.key, f.execution_id::text, f.status FROM resumer.effects f"
        )
    ]


def _ledger(database: Database) -> list[Settled]:
    return [
        Settled(*row)
        for row in database.run(
            "SELECT source_id::text, decision, outcome FROM resumer.requests"
            " WHERE kind = 'approval'"
        )
    ]


def _messages(database: Database) -> list[Message]:
    return [
        Message(*row)
        for row in database.run(
            "SELECT o.key, e.execution_id, o.state"
            " FROM resumer.outbox o JOIN workflow_executions e ON e.id = o.execution_id"
        )
    ]
