"""Single decisions of small executions while others with large contexts are decided too."""

import json
import threading
import time
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import psycopg

from bench import ground
from bench.latency import DECIDE
from bench.processes import beside, daemon
from bench.report import Row

RATE, SECONDS, ROUNDS, WARM_UP = 40, 6, 3, 40
MEGABYTES = (1, 5, 20)
LIMIT = 32 << 20  # the default limit stops an execution with 20 MB as an incident
MARGIN = 60.0  # seconds until all that were decided must be committed

Rows = list[tuple[Any, Any]]


def measure(url: str) -> list[Row]:
    """Decide at a steady rate, in turns without large executions and with one each second."""
    small = iter(ground.pause(url, WARM_UP + 2 * ROUNDS * RATE * SECONDS))
    large = [
        ground.pause(url, ROUNDS * SECONDS // len(MEGABYTES), context=_order(megabytes))
        for megabytes in MEGABYTES
    ]
    mixed = iter([row for sizes in zip(*large, strict=True) for row in sizes])
    committed: dict[bytes, float] = {}
    alone: list[float] = []
    among: list[float] = []
    with (
        beside(partial(daemon, document_bytes=LIMIT), url) as (pipe, _),
        psycopg.connect(url, autocommit=True) as writer,
    ):
        threading.Thread(target=_collect, args=(pipe, committed), daemon=True).start()
        _decide(writer, list(islice(small, WARM_UP)), [], committed)
        for _ in range(ROUNDS):
            for taken, count in ((alone, 0), (among, SECONDS)):
                rows = list(islice(small, RATE * SECONDS))
                taken += _decide(writer, rows, list(islice(mixed, count)), committed)
    low, ours = median(alone) * 1e3, median(among) * 1e3
    sizes = ", ".join(map(str, MEGABYTES))
    name = f"small decisions, p50, each second one of {sizes} MB (floor: without)"
    return [Row(name, "ms", low, ours, ours / low, 2, "<=")]


def _order(megabytes: int) -> dict[str, Any]:
    """Return an order with as many lines as make so many megabytes of JSON text."""
    order: dict[str, Any] = ground.PAYLOAD["order"]
    times = megabytes * 1_000_000 // len(json.dumps(ground.LINES))
    return {"order": {**order, "lines": ground.LINES * times}}


def _decide(
    writer: psycopg.Connection[Any], small: Rows, large: Rows, committed: dict[bytes, float]
) -> list[float]:
    """Return the seconds of each small one, when all of them and the large ones are committed."""
    began: dict[bytes, float] = {}
    start = time.perf_counter()
    for number, (execution, approval) in enumerate(small):
        time.sleep(max(0.0, start + number / RATE - time.perf_counter()))
        if number % RATE == 0 and large:
            writer.execute(DECIDE, [large[number // RATE][1]])
        began[execution.bytes] = time.perf_counter()
        writer.execute(DECIDE, [approval])
    expected = began.keys() | {execution.bytes for execution, _ in large}
    until = time.perf_counter() + MARGIN
    while expected - committed.keys():
        if time.perf_counter() > until:
            raise RuntimeError(f"not committed: {len(expected - committed.keys())} executions")
        time.sleep(0.05)
    return [committed[execution] - at for execution, at in began.items()]


def _collect(pipe: Connection, committed: dict[bytes, float]) -> None:
    while True:
        try:
            at, ids, _ = pipe.recv()
        except EOFError:
            return
        committed.update(dict.fromkeys(ids, at))
