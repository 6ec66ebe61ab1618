"""From the deciding statement's start to the commit of the next durable state, one by one."""

import time
from statistics import quantiles
from typing import Any

import psycopg

from bench import ground
from bench.processes import beside, daemon, floor
from bench.report import Row

WARM_UP, ROUNDS, EACH = 30, 4, 150
DECIDE = "UPDATE approval_requests SET status = 'approved', decided_at = now() WHERE id = %s"


def measure(url: str) -> list[Row]:
    """Measure floor and daemon in turns and return p50 and p99 of each."""
    found: dict[str, list[float]] = {"floor": [], "ours": []}
    for _ in range(ROUNDS):
        for name, work in (("floor", floor), ("ours", daemon)):
            ground.clear(url)
            found[name] += one_by_one(url, work)
    rows = []
    for quantile, target in ((50, 1.5), (99, 1.6)):
        low, ours = (quantiles(found[n], n=100)[quantile - 1] * 1e3 for n in ("floor", "ours"))
        rows.append(
            Row(f"decision to commit, p{quantile}", "ms", low, ours, ours / low, target, "<=")
        )
    return rows


def one_by_one(url: str, work: Any) -> list[float]:
    """Return the seconds that each of `EACH` decisions took, beside a warm process."""
    rows = ground.pause(url, WARM_UP + EACH)
    taken = []
    with beside(work, url) as (pipe, _), psycopg.connect(url, autocommit=True) as writer:
        for execution, approval in rows:
            began = time.perf_counter()
            writer.execute(DECIDE, [approval])
            committed, ids, _ = pipe.recv()
            if ids != [execution.bytes]:
                raise RuntimeError(f"expected {execution}, committed {ids}")
            taken.append(committed - began)
            time.sleep(0.005)  # idle again
    return taken[WARM_UP:]
