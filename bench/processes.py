"""The compared programs, each in a process of its own: a bare psycopg loop and the daemon.

Each reports its commits to the parent by a pipe. Their times are of the monotonic clock, which all
processes of a machine share.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import psycopg

CLAIM = """WITH due AS MATERIALIZED (
  SELECT e.id, r.id AS request
  FROM resumer.resume_requests r JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= now()
  ORDER BY r.due_at, r.id LIMIT 100 FOR NO KEY UPDATE OF e SKIP LOCKED)
SELECT id, request FROM due"""
MINIMAL_WRITES = (
    """UPDATE workflow_executions e
       SET status = 'completed', result = 'allowed', completed_at = now()
       WHERE e.id = ANY (%(ids)s)""",
    """INSERT INTO step_executions (execution_id, step_id, step_type, status, output)
       SELECT id, 'allow', 'action', 'completed', '{}' FROM unnest(%(ids)s::uuid[]) AS id""",
    """WITH settled AS (
         DELETE FROM resumer.resume_requests WHERE id = ANY (%(requests)s) RETURNING *)
       INSERT INTO resumer.settled_requests
       SELECT id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason,
         due_at, requested_at, 'applied', organization_id, now()
       FROM settled""",
)


# The daemon writes these documents for the definition of `bench/ground.py`. The loop writes
# constants of the same size.
_APPROVAL = {
    "id": "be3bc3bd-0295-4465-8b66-d85903c86ad5", "reason": None, "approved": True,
    "decision": "approved", "decided_at": "2026-11-30T20:57:30Z",
    "request_id": "ea23c23d-e512-4b5c-ba29-0086b02ab92e", "approver_id": None,
}  # fmt: skip
_RESUME_DATA = {
    "resume": {"data": None, "actor": None, "number": 1, "reason": None, "trigger": "approval"},
    "approval": _APPROVAL, "approved": True, "approvals": [_APPROVAL],
    "resumed_at": "2026-11-30T20:57:35Z",
}  # fmt: skip
_COMPARISON = {
    "field": "order.total", "holds": True, "value": 1000000, "actual": 14119.27, "operator": "lt",
}  # fmt: skip
_CONDITION = {
    "data": {"result": True, "comparisons": [_COMPARISON]}, "action": "condition", "reason": None,
    "success": True,
}  # fmt: skip
_ALLOW = {
    "data": {}, "action": "allow", "reason": "Action allowed by workflow", "success": True,
}  # fmt: skip
_APPROVED = {
    "decision": "approved", "execution": _APPROVAL["id"], "request_id": _APPROVAL["request_id"],
}  # fmt: skip
_RESUMED = {"status": "completed", "request": 1000, "trigger": "approval"}
SAME_WRITES = (
    f"""INSERT INTO step_executions
         (execution_id, step_id, step_type, status, output, started_at, completed_at, duration_ms)
       SELECT e.id, s.id, s.type, 'completed', s.output, now(), now(), 0
       FROM unnest(%(ids)s::uuid[]) AS e (id) CROSS JOIN (VALUES
         ('is_small', 'condition', '{json.dumps(_CONDITION)}'::jsonb),
         ('allow', 'action', '{json.dumps(_ALLOW)}')) AS s (id, type, output)""",
    f"""UPDATE workflow_executions e
       SET status = 'completed', result = 'allowed', error_message = NULL,
         resume_data = '{json.dumps(_RESUME_DATA)}', paused_at = NULL, paused_reason = NULL,
         paused_step_id = NULL, next_step_id = NULL, resume_count = e.resume_count + 1,
         last_resumed_at = now(), completed_at = now(),
         duration_ms = (extract(epoch FROM now() - e.started_at) * 1000)::integer
       WHERE e.id = ANY (%(ids)s)""",
    """UPDATE resumer.pauses p
       SET resumed_at = now(), resumed_by = 'approval', approval_ids = p.approval_ids
       WHERE p.execution_id = ANY (%(ids)s) AND p.number = 1""",
    f"""WITH settled AS (
         DELETE FROM resumer.resume_requests WHERE id = ANY (%(requests)s) RETURNING *
       ), audited AS (
         INSERT INTO audit_log (entity_type, entity_id, action, actor_type, changes)
         SELECT a.type, a.id, a.action, 'system', a.changes
         FROM settled s CROSS JOIN LATERAL (VALUES
           ('approval', s.source_id, 'approved', '{json.dumps(_APPROVED)}'::jsonb),
           ('execution', s.execution_id, 'resumed', '{json.dumps(_RESUMED)}')
         ) AS a (type, id, action, changes)
       )
       INSERT INTO resumer.settled_requests
       SELECT id, execution_id, kind, source_id, decision, pause_number, payload, actor, reason,
         due_at, requested_at, 'applied', organization_id, now()
       FROM settled""",
)


class Commit(NamedTuple):
    """A commit: its time, its executions, and the processor seconds of the process until then."""

    at: float
    ids: list[bytes]
    cpu: float


PLANS = (  # as ours are: by index, whenever they were made
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off"
)


def floor(url: str, pipe: Connection, writes: tuple[str, ...] = MINIMAL_WRITES) -> None:
    """LISTEN, claim and write in bare psycopg. The loop decides nothing and reads no document."""
    listener = psycopg.connect(url, autocommit=True)
    listener.execute("LISTEN resumer_wake")
    worker = psycopg.connect(url, prepare_threshold=0, options=f"-c resumer.own=on {PLANS}")
    pipe.send("ready")
    while True:
        rows = worker.execute(CLAIM).fetchall()
        if rows:
            facts = {"ids": [r[0] for r in rows], "requests": [r[1] for r in rows]}
            with worker.pipeline():
                for statement in writes:
                    worker.execute(statement, facts)
                worker.commit()
            _send_commit(pipe, [execution.bytes for execution in facts["ids"]])
            continue
        worker.commit()
        for _ in listener.notifies(timeout=5, stop_after=1):
            pass


floor_with_same_writes = partial(floor, writes=SAME_WRITES)


def daemon(url: str, pipe: Connection, **settings: Any) -> None:
    """Run the daemon. It also reports each commit where it records batches."""
    from resumer_daemon.cli.common import run
    from resumer_daemon.config import load_settings
    from resumer_daemon.daemon import after_commit, daemon
    from resumer_daemon.telemetry import logs

    record_batch = vars(after_commit)["record_batch"]

    def reported(result: Any, *rest: Any) -> Any:
        # what was claimed once more, right after its commit, is found to be settled
        moved = [plan.claimed.id.bytes for plan in result.plans if plan.status is not None]
        if moved:
            _send_commit(pipe, moved)
        return record_batch(result, *rest)

    vars(after_commit)["record_batch"] = reported
    logs.configure("console", "warning")

    async def serve() -> None:
        running = daemon.Daemon(
            load_settings(database_url=url, http_port=0, allow_superuser=True, **settings)
        )
        daemon.tune_gc()
        task = asyncio.create_task(running.run())
        await running.listening.wait()
        pipe.send("ready")
        await task

    run(serve())


def _send_commit(pipe: Connection, ids: list[bytes]) -> None:
    pipe.send(Commit(time.perf_counter(), ids, time.process_time()))


@contextmanager
def beside(work: Callable[[str, Connection], None], url: str) -> Any:
    """Run a process beside us; yield the pipe on which it tells what it committed, and its id."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(url, theirs), daemon=True)
    process.start()
    theirs.close()  # so that a process that ends is noticed
    if ours.recv() != "ready":
        raise RuntimeError("the process beside us did not start")
    try:
        yield ours, process.pid
    finally:
        process.kill()
        process.join()
