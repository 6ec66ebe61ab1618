"""The cost of rows that cannot be written for all others: 100 of them among 10,000."""

import os
import sys
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median, quantiles

import psycopg

from bench import ground
from bench.bulk import DECIDE_ALL
from bench.processes import beside, daemon
from bench.report import Row

GOOD, POISON, ROUNDS = 10_000, 100, 3
REFUSE = """ALTER TABLE workflow_executions
  ADD CONSTRAINT no_poison CHECK (status <> 'completed' OR execution_id NOT LIKE 'poison%')"""
SPOIL = "UPDATE workflow_executions SET execution_id = 'poison' || execution_id WHERE id = ANY (%s)"


def measure(url: str) -> list[Row]:
    """Decide all by one statement, in turns without poison and with it; p99 of the good ones."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(REFUSE)
    clean, among = [], []
    for number in range(ROUNDS):
        clean.append(_p99(url, 0, number))
        among.append(_p99(url, POISON, number))
    low, high = median(clean), median(among)
    name = f"p99 of {GOOD:,} decisions of one statement, {POISON} poison rows among them"
    return [Row(name, "s", low, high, high / low, 2.0, "<=")]


def _p99(url: str, poison: int, seed: int) -> float:
    """Return within how many seconds of the statement's start 99 of 100 good ones are committed."""
    ground.clear(url)
    executions = [execution for execution, _ in ground.pause(url, GOOD + poison)]
    spoiled = Random(seed).sample(executions, poison)  # noqa: S311
    good = {execution.bytes for execution in executions} - {each.bytes for each in spoiled}
    taken: dict[bytes, float] = {}
    with closing(psycopg.connect(url, autocommit=True)) as writer:
        writer.execute(SPOIL, [spoiled])
        writer.execute("CHECKPOINT")
        with beside(_quiet, url) as (pipe, _):
            began = time.perf_counter()
            writer.execute(DECIDE_ALL)
            while good - taken.keys():
                committed, ids, _ = pipe.recv()
                taken |= dict.fromkeys(ids, committed - began)
    return quantiles([taken[each] for each in good], n=100)[98]


def _quiet(url: str, pipe: Connection) -> None:
    """Run the daemon; what it has to say of each poison row would bury the table."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stderr = nowhere
        daemon(url, pipe)
