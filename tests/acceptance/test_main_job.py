"""The main job, with real processes: a thousand decisions, each ends its execution exactly once."""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from tests.acceptance.deciding import Decision, Writer
from tests.harness import Database, eventually_sync
from tests.harness.running import process
from tests.harness.service import Service, allow, ask, block

SIZE, WRITERS = 1_000, 4
OTHERS = 50  # of each writer: decided before another program has paused them

CHECK = {
    "id": "check",
    "type": "condition",
    "condition": {"field": "order.total", "operator": "gt", "value": 100},
    "on_true": "ask",
    "on_false": "release",
}
RESULTS = {"approved": "allowed", "rejected": "blocked"}
STEPS = {
    ("ways", "approved"): ["check", "ask", "release"],
    ("ways", "rejected"): ["check", "ask", "refuse"],
    ("plain", "approved"): ["ask", "release"],
    ("plain", "rejected"): ["ask"],
}


@pytest.mark.parametrize("vintage", ["empty", "v5"])
def test_a_thousand_decisions_end_a_thousand_executions_once_each(
    database: Database, tmp_path: Path
):
    seed = int(os.environ.get("RESUMER_TEST_SEED") or random.randrange(2**32))  # noqa: S311
    print(f"RESUMER_TEST_SEED={seed}")  # noqa: T201
    chance = random.Random(seed)  # noqa: S311
    service = Service(database)
    workflow = service.workflow(
        CHECK, ask(on_false="refuse", timeout="48h"), allow(), block(), name="ways"
    )
    service.workflow(ask(), allow(), name="plain")
    with process(database, tmp_path / "one") as one, process(database, tmp_path / "two") as two:
        eventually_sync(lambda: one.ready() and two.ready(), 40)
        paused = start_and_pause(database, chance)
        decisions = decide_all(database, workflow, paused, chance)
        assert len(decisions) == SIZE
        wait_for_the_end(database)
        check_executions(database, decisions)
        check_ledger(database, decisions)
        moved = [d.metric("resumer_resumes_total", trigger="approval") for d in (one, two)]
        assert sum(moved) == SIZE
        assert one.metric("resumer_oldest_open_request_age_seconds") == 0


def start_and_pause(database: Database, chance: random.Random) -> list[UUID]:
    payload = Jsonb({"order": {"total": 500}})
    wanted = SIZE - WRITERS * OTHERS
    with database.connect() as connection, connection.pipeline():
        cursors = [
            connection.execute(
                "SELECT resumer.start(%s, %s)", [chance.choice(("ways", "plain")), payload]
            )
            for _ in range(wanted)
        ]
        started = [row[0] for cursor in cursors for row in cursor]
    paused = "SELECT count(*) FROM workflow_executions WHERE status = 'paused'"
    eventually_sync(lambda: database.run(paused) == [(wanted,)], 60, of="all are paused")
    return started


def decide_all(
    database: Database, workflow: UUID, paused: list[UUID], chance: random.Random
) -> list[Decision]:
    """Write all decisions from concurrent programs and return what they were told is done."""
    seeds = [chance.getrandbits(64) for _ in range(WRITERS)]
    writers = [Writer(database, workflow, random.Random(seed)) for seed in seeds]  # noqa: S311
    with ThreadPoolExecutor(WRITERS) as threads:
        writing = [
            threads.submit(writer.decide, paused[number::WRITERS], OTHERS)
            for number, writer in enumerate(writers)
        ]
    return [decision for each in writing for decision in each.result()]


def wait_for_the_end(database: Database) -> None:
    try:
        eventually_sync(lambda: not unfinished(database), 60)
    except AssertionError as error:
        raise AssertionError(f"neither ended nor settled: {unfinished(database)}") from error


def unfinished(database: Database) -> list[tuple[Any, ...]]:
    return database.run(
        "SELECT 'execution', e.id, e.status, e.paused_reason FROM workflow_executions e"
        " WHERE e.status <> 'completed'"
        " UNION ALL SELECT 'request', r.execution_id, r.kind, coalesce(r.outcome, 'open')"
        " FROM resumer.requests r WHERE r.outcome IS NULL OR r.outcome = 'held'"
        " UNION ALL SELECT 'pause', p.execution_id, p.reason, NULL FROM resumer.pauses p"
        " WHERE p.resumed_at IS NULL ORDER BY 2 LIMIT 20"
    )


def check_executions(database: Database, decisions: list[Decision]) -> None:
    """Each execution ended as it was decided, with each of its steps recorded once."""
    found: dict[UUID, tuple[Any, ...]] = {
        row[0]: row[1:]
        for row in database.run(
            "SELECT e.id, w.workflow_id, e.result, e.resume_count, e.error_message,"
            " e.resume_data -> 'approval' ->> 'decision', e.paused_at, e.paused_reason,"
            " ARRAY(SELECT s.step_id FROM step_executions s WHERE s.execution_id = e.id),"
            " ARRAY(SELECT p.resumed_by FROM resumer.pauses p WHERE p.execution_id = e.id)"
            " FROM workflow_executions e JOIN workflows w ON w.id = e.workflow_id"
        )
    }
    assert len(found) == SIZE
    for decision in decisions:
        name, result, *rest, steps, pauses = found.pop(decision.execution)
        assert result == RESULTS[decision.verdict], decision
        assert rest == [1, None, decision.verdict, None, None], decision
        expected = STEPS[name, decision.verdict]
        if decision.foreign is not None:  # paused by another program: we ran what came after
            expected = [*decision.foreign, expected[-1]]
        assert Counter(steps) == Counter(expected), decision
        assert pauses == ["approval"], decision
    assert found == {}


def check_ledger(database: Database, decisions: list[Decision]) -> None:
    """The ledger has each acknowledged decision as applied, and no other."""
    ledger = Counter(
        database.run(
            "SELECT execution_id, source_id, decision, outcome, finished_at >= requested_at"
            " FROM resumer.requests WHERE kind = 'approval'"
        )
    )
    acknowledged = Counter((d.execution, d.approval, d.verdict, "applied", True) for d in decisions)
    assert ledger == acknowledged
    timers = Counter(database.run("SELECT outcome FROM resumer.requests WHERE kind = 'timeout'"))
    assert set(timers) == {("superseded",)}
