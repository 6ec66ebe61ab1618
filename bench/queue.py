"""The cost of settling a request: updated in one table with the ledger, or moved into another.

Two layouts of bare tables stand beside each other in one database, and take turns. They are copies
on purpose: a measurement can be repeated after our own tables have changed. What is counted
(bytes of WAL, buffers) does not depend on the machine; times do.
"""

import json
import re
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import IsolationLevel

from bench.report import Row

LAYOUTS = Path(__file__).parent / "layouts"
PAUSED, LEDGER, SETTLED = 100_000, 1_000_000, 300_000
BATCH, BATCHES, SINGLES, SLICE = 200, 100, 500, 10_000

BY_INDEX = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off"

EXECUTIONS = """
CREATE TABLE executions AS SELECT gen_random_uuid() AS id FROM generate_series(1, %(paused)s);
ALTER TABLE executions ADD PRIMARY KEY (id)"""

# a timer for each that is paused, and what ended executions have left
TIMERS = """
INSERT INTO requests (execution_id, kind, source_id, due_at)
SELECT id, 'timeout', gen_random_uuid(), now() + interval '2 days' FROM executions"""
LEFT = """
INSERT INTO {table} (id, execution_id, kind, source_id, decision, due_at, requested_at, outcome,
  finished_at, organization_id)
{overriding}
SELECT -n, gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'start' ELSE 'approval' END,
  gen_random_uuid(), 'approved', now(), now(), 'applied', now(), %(owner)s
FROM generate_series(1, %(count)s) AS n"""

ADD = """
INSERT INTO requests (execution_id, kind, source_id, decision)
SELECT id, 'approval', gen_random_uuid(), 'approved'
FROM unnest(%(executions)s::uuid[]) AS v (id)"""
OPEN = "SELECT array_agg(id) FROM requests WHERE outcome IS NULL AND due_at <= now()"
SETTLE = {
    "one_table": """
UPDATE requests r
SET outcome = 'applied', finished_at = clock_timestamp(), organization_id = %(owner)s
WHERE r.id = ANY (%(ids)s)""",
    "two_tables": """
WITH settled AS (DELETE FROM requests r WHERE r.id = ANY (%(ids)s) RETURNING *)
INSERT INTO ledger SELECT s.id, s.execution_id, s.kind, s.source_id, s.decision, s.pause_number,
  s.payload, s.actor, s.reason, s.due_at, s.requested_at, 'applied', clock_timestamp(), %(owner)s
FROM settled s""",
}
CLAIM = """
SELECT e.id FROM requests r JOIN executions e ON e.id = r.execution_id
WHERE r.outcome IS NULL AND r.due_at <= statement_timestamp() AND r.due_at >= %(since)s
ORDER BY r.due_at, r.id LIMIT 200 FOR NO KEY UPDATE OF e SKIP LOCKED"""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one statement for the server.

    Microseconds, bytes of WAL, images of whole pages in it, buffers that it touched.
    """

    us: float
    wal: float
    images: float
    buffers: float

    def of_one(self, count: int) -> "Cost":
        return Cost(self.us / count, self.wal / count, self.images / count, self.buffers / count)


class Layout:
    """One of the two layouts, in a schema of its own."""

    def __init__(self, url: str, name: str) -> None:
        self.name, self.url = name, url
        self.ledger = "ledger" if name == "two_tables" else "requests"
        self.owner = uuid4()
        self.server = psycopg.connect(url, autocommit=True)
        self.run(f"CREATE SCHEMA {name}")
        self.run(f"SET search_path = {name}; SET plan_cache_mode = force_generic_plan; {BY_INDEX}")
        self.run((LAYOUTS / f"{name}.sql").read_text())

    def run(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        cursor = self.server.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def fill(self) -> None:
        self.run("SET synchronous_commit = off")
        for statement in EXECUTIONS.split(";"):
            self.run(statement, paused=PAUSED)
        self.run(TIMERS)
        overriding = "OVERRIDING SYSTEM VALUE" if self.ledger == "requests" else ""
        left = LEFT.format(table=self.ledger, overriding=overriding).replace("n % 2", "n %% 2")
        self.run(left, count=LEDGER, owner=self.owner)
        self.executions = [row[0] for row in self.run("SELECT id FROM executions")]
        self.run("VACUUM ANALYZE")
        self.run("SET synchronous_commit = on")

    def cost(self, statement: str, **values: object) -> Cost:
        explain = "EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON)"
        [(answer,)] = self.run(f"{explain} {statement}", **values)
        [told] = answer if isinstance(answer, list) else json.loads(answer)
        plan = told["Plan"]
        buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        wal, images = plan.get("WAL Bytes", 0), plan.get("WAL FPI", 0)
        return Cost(told["Execution Time"] * 1e3, wal, images, buffers)

    def cycle(self, count: int, offset: int) -> tuple[Cost, Cost]:
        """Add requests and settle them; return what each cost for one request."""
        added = self.cost(
            ADD, executions=[self.executions[(offset + n) % PAUSED] for n in range(count)]
        )
        settled = self.cost(SETTLE[self.name], ids=self.open(), owner=self.owner)
        return added.of_one(count), settled.of_one(count)

    def open(self) -> list[int]:
        [(ids,)] = self.run(OPEN)
        return list(ids)

    def claim(self, since: object = "-infinity") -> float:
        """Return the milliseconds that the fastest of five claims of one decision takes."""
        self.run(ADD, executions=self.executions[:1])
        taken = min(self.cost(CLAIM, since=since).us for _ in range(5)) / 1e3
        self.run(SETTLE[self.name], ids=self.open(), owner=self.owner)
        return taken

    def vacuum(self) -> tuple[float, float, float]:
        """Return what a vacuum of the tables takes: milliseconds, MB of WAL, buffers."""
        [(before,)] = self.run("SELECT pg_current_wal_insert_lsn()")
        touched = 0

        def heard(notice: Any) -> None:
            nonlocal touched
            found = re.search(
                r"buffer usage: (\d+) hits, (\d+) (?:misses|reads)",
                f"{notice.message_primary}{notice.message_detail}",
            )
            touched += sum(map(int, found.groups())) if found else 0

        self.server.add_notice_handler(heard)
        began = time.perf_counter()
        for table in {"requests", self.ledger}:
            self.run(f"VACUUM (VERBOSE, INDEX_CLEANUP ON) {table}")
        taken = (time.perf_counter() - began) * 1e3
        self.server.remove_notice_handler(heard)
        [(written,)] = self.run(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %(at)s)", at=before
        )
        return taken, float(written) / 1e6, touched


def measure(url: str) -> list[Row]:
    """Measure both in turns; the floor is the one table, ours are the two."""
    layouts = [Layout(url, name) for name in SETTLE]
    for layout in layouts:
        layout.fill()
    rows = _cycles(layouts, BATCH, BATCHES, f"batches of {BATCH}")
    rows += _cycles(layouts, 1, SINGLES, "single")
    rows += _vacuums(layouts)
    rows += _snapshots(layouts)
    return rows


def _cycles(layouts: list[Layout], count: int, times: int, what: str) -> list[Row]:
    found: dict[str, list[tuple[Cost, Cost]]] = {layout.name: [] for layout in layouts}
    for layout in layouts:
        layout.run("CHECKPOINT")
    for n in range(times):
        for layout in layouts:
            found[layout.name].append(layout.cycle(count, n * count))
    rows = []
    for part, name in ((0, "added"), (1, "settled")):
        costs = [[pair[part] for pair in found[layout.name]] for layout in layouts]
        rows += [
            _row(f"{name}, {what}", "us", *(median(c.us for c in each) for each in costs)),
            _row(f"{name}, {what}", "buffers", *(sum(c.buffers for c in e) / times for e in costs)),
            _row(
                f"{name}, {what}", "bytes of WAL", *(sum(c.wal for c in e) / times for e in costs)
            ),
            _row(
                f"{name}, {what}",
                "images of pages",
                *(sum(c.images for c in e) / times for e in costs),
            ),
        ]
    return rows


def _vacuums(layouts: list[Layout]) -> list[Row]:
    taken = [layout.vacuum() for layout in layouts]
    name = f"vacuum after {BATCH * BATCHES + SINGLES:,} settled"
    units = ("ms", "MB of WAL", "buffers")
    return [_row(name, unit, *pair) for unit, *pair in zip(units, *taken, strict=True)]


def _snapshots(layouts: list[Layout]) -> list[Row]:
    """Claim one decision before, while and after a snapshot is held in which all was open."""
    rows = [_row("claim of one decision", "ms", *(layout.claim() for layout in layouts))]
    with closing(psycopg.connect(layouts[0].url)) as holder:
        holder.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        for layout in layouts:
            holder.execute(f"SELECT count(*) FROM {layout.name}.requests".encode())
        for layout in layouts:
            for offset in range(0, SETTLED, SLICE):
                layout.cycle(SLICE, offset)
            layout.run("VACUUM requests")
        now = [layout.run("SELECT clock_timestamp()")[0][0] for layout in layouts]
        what = f"with {SETTLED:,} settled under a snapshot"
        rows += [
            _row(f"claim {what}", "ms", *(layout.claim() for layout in layouts)),
            _row(f"claim {what}, from a lower bound", "ms",
                 *(layout.claim(at) for layout, at in zip(layouts, now, strict=True))),
        ]  # fmt: skip
    taken = [layout.vacuum()[0] for layout in layouts]
    rows.append(_row("vacuum after the snapshot", "ms", *taken))
    rows.append(_row("claim after it", "ms", *(layout.claim() for layout in layouts)))
    return rows


def _row(name: str, unit: str, one: float, two: float) -> Row:
    return Row(name, unit, one, two, two / one if one else 1.0, 1.0, "<=")
