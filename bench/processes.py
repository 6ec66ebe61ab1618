"""The two who are compared, each a process of its own: a bare psycopg loop, and the daemon.

Each tells the parent, by a pipe, which executions were committed and when by the monotonic clock,
which all processes of a machine share.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import psycopg

CLAIM = """WITH due AS MATERIALIZED (
  SELECT e.id, r.id AS request
  FROM resumer.resume_requests r JOIN workflow_executions e ON e.id = r.execution_id
  WHERE r.outcome IS NULL AND r.due_at <= now()
  ORDER BY r.due_at, r.id LIMIT 100 FOR NO KEY UPDATE OF e SKIP LOCKED)
SELECT id, request FROM due"""
WRITE = (
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


PLANS = (  # as ours are: by index, whenever they were made
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off"
)


def floor(url: str, pipe: Connection) -> None:
    """The floor: LISTEN, claim, one write of what must be written; nothing is decided."""
    listener = psycopg.connect(url, autocommit=True)
    listener.execute("LISTEN resumer_wake")
    worker = psycopg.connect(url, prepare_threshold=0, options=f"-c resumer.own=on {PLANS}")
    pipe.send("ready")
    while True:
        rows = worker.execute(CLAIM).fetchall()
        if rows:
            facts = {"ids": [r[0] for r in rows], "requests": [r[1] for r in rows]}
            with worker.pipeline():
                for statement in WRITE:
                    worker.execute(statement, facts)
                worker.commit()
            pipe.send((time.perf_counter(), [execution.bytes for execution in facts["ids"]]))
            continue
        worker.commit()
        for _ in listener.notifies(timeout=5, stop_after=1):
            pass


def daemon(url: str, pipe: Connection) -> None:
    """The daemon as it runs, which also reports each commit where batches are recorded."""
    from resumer_daemon.cli.common import run
    from resumer_daemon.config import load_settings
    from resumer_daemon.daemon import after_commit, daemon
    from resumer_daemon.telemetry import logs

    record_batch = vars(after_commit)["record_batch"]

    def reported(result: Any, *rest: Any) -> Any:
        # what was claimed once more, right after its commit, is found to be settled
        moved = [plan.claimed.id.bytes for plan in result.plans if plan.status is not None]
        if moved:
            pipe.send((time.perf_counter(), moved))
        return record_batch(result, *rest)

    vars(after_commit)["record_batch"] = reported
    logs.configure("console", "warning")

    async def serve() -> None:
        running = daemon.Daemon(load_settings(database_url=url, http_port=0, allow_superuser=True))
        daemon.tune_gc()
        task = asyncio.create_task(running.run())
        await running.listening.wait()
        pipe.send("ready")
        await task

    run(serve())


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
