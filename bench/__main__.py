"""`make bench`: everything in one run, floor and daemon in turns.

`rounds=5` runs the parts five times and prints the median of each figure.
"""

import sys

import psycopg

from bench import (
    bloat,
    bulk,
    engine,
    ground,
    idle,
    large,
    latency,
    many,
    poison,
    queue,
    scale,
    scrape,
    writers,
)
from bench.report import Row, medians, report
from resumer_daemon.embedded.server import EmbeddedPostgres

DEFAULT = {"engine", "latency", "bulk", "many", "poison", "writers", "large", "idle"}


def main() -> None:
    """Run the benchmarks and print the table."""
    wanted, rounds = set(sys.argv[1:]), 1
    for option in [each for each in wanted if each.startswith("rounds=")]:
        wanted.remove(option)
        rounds = int(option.removeprefix("rounds="))
    found = [_measure(wanted or DEFAULT) for _ in range(rounds)]
    report(medians([rows for rows, _ in found]), found[0][1])


def _measure(wanted: set[str]) -> tuple[list[Row], str]:
    """Run these parts once, each in a new database. Also return the version of the server."""
    rows = engine.measure() if "engine" in wanted else []
    with ground.server() as running:
        with psycopg.connect(running.url()) as connection:
            version = f"PostgreSQL {connection.info.parameter_status('server_version')}"
        if "latency" in wanted:
            rows += latency.measure(ground.database(running, "latency"))
        if "bulk" in wanted:
            rows += bulk.measure(ground.database(running, "bulk"))
        if "many" in wanted:
            rows += many.measure(ground.database(running, "many", ground.VINTAGE_5))
        if "poison" in wanted:
            rows += poison.measure(ground.database(running, "poison"))
        if "writers" in wanted:
            rows += writers.measure(ground.database(running, "writers", ground.VINTAGE_5))
        if "large" in wanted:
            rows += large.measure(ground.database(running, "large"))
        rows += _crowded(running, wanted)
    if "idle" in wanted:
        # a server of its own, for transactions of autovacuum would be counted as ours
        with ground.server(autovacuum="off") as running:
            rows += idle.measure(ground.database(running, "idle"))
    return rows, version


def _crowded(running: EmbeddedPostgres, wanted: set[str]) -> list[Row]:
    """Run those that take minutes, for their tables are filled first."""
    rows: list[Row] = []
    for size in (name for name in wanted if name.startswith("scale")):
        empty, crowded = (ground.database(running, name) for name in ("empty", "crowded"))
        rows += scale.measure(empty, crowded, float(size.removeprefix("scale=")))
    for minutes in (name for name in wanted if name.startswith("bloat")):
        url = ground.database(running, "bloat")
        rows += bloat.measure(url, float(minutes.removeprefix("bloat=")))
    if "queue" in wanted:
        rows += queue.measure(ground.database(running, "queue"))
    if "scrape" in wanted:
        rows += scrape.measure(running, ground.database(running, "scrape"))
    return rows


if __name__ == "__main__":
    main()
